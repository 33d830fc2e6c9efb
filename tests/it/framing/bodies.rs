//! How a request says where its body ends: by one length, by chunks, and by everything in between.

use super::case::May::{self, Answer, Both, Refuse};
use super::case::{Case, PAYLOAD, Route, SMUGGLED};

/// Values of a single Content-Length over a body of 11 bytes. Source: RFC 9110 §8.6, RFC 9112 §6.3.
const LENGTHS: [(&str, May); 36] = [
    ("11", Answer),
    (" 11", Answer),
    ("\t11\t", Answer),
    ("  11  ", Answer),
    ("0000000000000000011", Both),
    ("00000000000000000000000011", Refuse),
    ("+11", Refuse),
    ("-11", Refuse),
    ("-0", Refuse),
    ("0x0b", Refuse),
    ("0b1011", Refuse),
    ("0o13", Refuse),
    ("b", Refuse),
    ("11.0", Refuse),
    ("1.1e1", Refuse),
    ("1e1", Refuse),
    ("1 1", Refuse),
    ("1\t1", Refuse),
    ("1_1", Refuse),
    ("11,", Refuse),
    (",11", Refuse),
    ("11,11", Refuse),
    ("11, 11", Refuse),
    ("11, 12", Refuse),
    ("0, 11", Refuse),
    ("11;", Refuse),
    ("\"11\"", Refuse),
    ("11 GET", Refuse),
    ("", Refuse),
    (" ", Refuse),
    ("NaN", Refuse),
    ("\u{ff11}\u{ff11}", Refuse),
    ("\u{b9}\u{b9}", Refuse),
    ("99999999999999999999", Refuse),
    ("18446744073709551627", Refuse),
    ("36893488147419103243", Refuse),
];

/// Lengths that are one, but of more than may come or does.
const TOO_LONG: [&str; 4] = ["4294967307", "9223372036854775807", "9999999999999999999", "1099511627776"];

/// Several lines that speak of length, over a body of 11 bytes. Source: RFC 9112 §6.3.
const SEVERAL_LENGTHS: [&str; 12] = [
    "Content-Length: 11\r\nContent-Length: 11\r\n",
    "Content-Length: 11\r\nContent-Length: 0\r\n",
    "Content-Length: 0\r\nContent-Length: 11\r\n",
    "Content-Length: 11\r\nContent-Length: 12\r\n",
    "Content-Length: 12\r\nContent-Length: 11\r\n",
    "content-length: 11\r\nCONTENT-LENGTH: 11\r\n",
    "Content-Length: 11\r\nX-Between: a\r\nContent-Length: 11\r\n",
    "Content-Length: 11\r\nContent-Length:\r\n",
    "Content-Length:\r\nContent-Length: 11\r\n",
    "Content-Length: 11\r\nContent-Length: x\r\n",
    "Content-Length: 11\r\nContent-Length: 011\r\n",
    "Content-Length: 0\r\nContent-Length: 0\r\nContent-Length: 11\r\n",
];

/// Values of a single Transfer-Encoding over a chunked body. Source: RFC 9112 §6.1, §7.
const CODINGS: [(&str, May); 38] = [
    (" chunked", Answer),
    ("chunked", Answer),
    ("\t chunked \t", Answer),
    (" Chunked", Answer),
    (" CHUNKED", Answer),
    (" cHuNkEd", Answer),
    (" chunked, chunked", Refuse),
    (" gzip, chunked", Refuse),
    (" chunked, gzip", Refuse),
    (" chunked, identity", Refuse),
    (" identity, chunked", Refuse),
    (" identity", Refuse),
    (" gzip", Refuse),
    (" deflate", Refuse),
    (" cow", Refuse),
    (" xchunked", Refuse),
    (" x-chunked", Refuse),
    (" chunkedx", Refuse),
    (" chunked-", Refuse),
    (" chunked;", Refuse),
    (" chunked; q=1", Refuse),
    (" chunked;a=b", Refuse),
    (" chunked,", Refuse),
    (" ,chunked", Refuse),
    (" , chunked", Refuse),
    (" chunked chunked", Refuse),
    (" chun ked", Refuse),
    (" \"chunked\"", Refuse),
    (" 'chunked'", Refuse),
    (" [chunked]", Refuse),
    (" {chunked}", Refuse),
    (" chunked#", Refuse),
    ("\u{b}chunked", Refuse),
    ("\u{c}chunked", Refuse),
    (" chunked\u{b}", Refuse),
    (" chunked\0", Refuse),
    (" chunk\u{435}d", Refuse),
    ("", Refuse),
];

/// Several lines that speak of codings, over a chunked body, or lines that hide that they do. Source: RFC 9112 §5.1,
/// §5.2, §6.1.
const SEVERAL_CODINGS: [&str; 24] = [
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
    "Transfer-Encoding: chunked\r\ntransfer-encoding:\r\n",
    "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding\t: chunked\r\n",
    "Transfer-Encoding\u{b}: chunked\r\n",
    "Transfer-Encoding\0: chunked\r\n",
    " Transfer-Encoding: chunked\r\n",
    "\tTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding:\r\n\tchunked\r\n",
    "Transfer-Encoding:\n chunked\r\n",
    "Transfer-Encoding: chunked\r\n , identity\r\n",
    "X: y\rTransfer-Encoding: chunked\r\n",
    "X: y\nTransfer-Encoding: chunked\r\n",
    "X: y\r\n\rTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\n",
    "Transfer-Encoding chunked\r\n",
    "Transfer-\r\n Encoding: chunked\r\n",
];

/// Names that are like Transfer-Encoding and are not it: the length counts, and upstream hears nothing of the rest.
const OTHER_NAMES: [&str; 5] =
    ["Transfer_Encoding", "X-Transfer-Encoding", "Transfer-Encodings", "TE", "Transfer.Encoding"];

/// Chunked bodies. Source: RFC 9112 §7.1.
const CHUNKED: [(&str, May); 66] = [
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Answer),
    ("B\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Answer),
    ("1\r\n{\r\na\r\n\"a\":[\"1\"]}\r\n0\r\n\r\n", Answer),
    ("000b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Answer),
    ("b\r\n{\"a\":[\"1\"]}\r\n000\r\n\r\n", Answer),
    ("b;a\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Answer),
    ("b;a=b\r\n{\"a\":[\"1\"]}\r\n0;c\r\n\r\n", Answer),
    ("b;a=\"b\"\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Answer),
    ("b ; a = b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Both),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\nX-Trailer: a\r\n\r\n", Both),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\nContent-Length: 100\r\n\r\n", Both),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", Both),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\nHost: other.example\r\n\r\n", Both),
    ("b \r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Both),
    ("b\t\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Both),
    ("b;\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Both),
    ("00000000000000000000000000000b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Both),
    (" b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("\r\nb\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("0xb\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("+b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("-b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("g\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b,b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b_\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("\"b\"\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    (";a\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\0\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\u{b}\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("1000000000000000b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("10000000000000000b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("100000000000000000000000000000000b\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("ffffffffffffffff\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("fffffffffffffffe\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("fffffffffffffff5\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("8000000000000000\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("7fffffffffffffff\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\r{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\r\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\n\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b;a\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b;a\nb\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b;a\rb\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b;a\0\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b;a=\"\n\"\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b;a=\"\r\n\"\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\n0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\r\n0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}xx0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}  \r\n0\r\n\r\n", Refuse),
    ("a\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("c\r\n{\"a\":[\"1\"]}\r\n0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\n\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\n\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\nX: a\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0\r\nX: a\rY: b\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n-0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n0x0\r\n\r\n", Refuse),
    ("b\r\n{\"a\":[\"1\"]}\r\n\r\n0\r\n\r\n", Refuse),
];

/// Returns every request with a body, for one route.
pub fn cases(route: Route) -> Vec<Case> {
    let chunked = format!("b\r\n{PAYLOAD}\r\n0\r\n\r\n");
    let length = |value: &str, may| {
        Case::framed("9112 6.3, 9110 8.6", route, &format!("Content-Length:{value}\r\n"), PAYLOAD, may)
    };
    let mut cases: Vec<Case> = LENGTHS.iter().map(|(value, may)| length(value, *may)).collect();
    // What is kept is answered although its request has a body, and then nothing more is read.
    let endless = if route == Route::Kept { Both } else { Refuse };
    cases.extend(TOO_LONG.iter().map(|value| length(value, endless)));
    cases.extend(SEVERAL_LENGTHS.iter().map(|lines| Case::framed("9112 6.3", route, lines, PAYLOAD, Refuse)));
    cases.extend(CODINGS.iter().map(|(value, may)| {
        Case::framed("9112 6.1, 7", route, &format!("Transfer-Encoding:{value}\r\n"), &chunked, *may)
    }));
    cases.extend(SEVERAL_CODINGS.iter().map(|lines| Case::framed("9112 5, 6.1", route, lines, &chunked, Refuse)));
    cases.extend(OTHER_NAMES.iter().map(|name| {
        let lines = format!("Content-Length: 11\r\n{name}: chunked\r\n");
        Case::framed("9112 5.1", route, &lines, PAYLOAD, Answer)
    }));
    cases.extend(CHUNKED.iter().map(|(body, may)| {
        let may = if route == Route::Kept { Both } else { *may };
        Case::framed("9112 7.1", route, "Transfer-Encoding: chunked\r\n", body, may)
    }));
    cases.extend(both(route));
    cases
}

/// A length and a coding, in either order: whoever believes one of them finds another end than who believes the other.
/// Source: RFC 9112 §6.1, §6.3, §11.2.
fn both(route: Route) -> Vec<Case> {
    let mut cases = Vec::new();
    let rest = format!("0\r\n\r\n{SMUGGLED}");
    let whole = rest.len().to_string();
    for length in ["0", "5", &whole, "1000000", "-1", "x"] {
        for coding in
            ["chunked", "Chunked", "identity", "gzip, chunked", "chunked, identity", "xchunked", "\"chunked\"", ""]
        {
            let (length, coding) =
                (format!("Content-Length: {length}\r\n"), format!("Transfer-Encoding: {coding}\r\n"));
            for lines in [format!("{length}{coding}"), format!("{coding}{length}")] {
                cases.push(Case::framed("9112 6.1", route, &lines, &rest, Refuse));
            }
        }
    }
    cases
}
