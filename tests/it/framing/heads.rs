//! Everything of a head but how long its body is: lines and their ends, the request line, the target, the host, the
//! version, and what asks to leave HTTP/1.1.

use super::case::Case;
use super::case::May::{self, Answer, Both, Refuse};
use super::case::{PAYLOAD, Route, SMUGGLED};

const START: &str = "GET /files/tree/kept HTTP/1.1";
const HOST: &str = "Host: mirror.example";

/// What stands where CR LF should. Source: RFC 9112 §2.2, §5.2.
const BREAKS: [&str; 10] =
    ["\n", "\r", "\n\r", "\r\r\n", "\0\r\n", "\r\0\n", "\u{b}\r\n", "\u{c}\n", "\r\n\t", "\u{85}"];

/// Bytes that do not belong everywhere. Source: RFC 9110 §5.5, §5.6.2, RFC 3986 §2.
const BYTES: [u8; 30] = [
    0, 1, 7, 8, b'\t', 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f, b' ', b'"', b'(', b')', b',', b'/', b':', b';', b'<', b'=',
    b'>', b'@', b'[', b'\\', b']', b'{', b'}', 0x80, 0xff,
];

/// Request lines that are none, or are one with something about it; `~` is the target. Source: RFC 9112 §2.3, §3.
const REQUEST_LINES: [(&str, May); 44] = [
    ("GET ~ HTTP/1.1", Answer),
    ("\r\nGET ~ HTTP/1.1", Answer),
    ("\r\n\r\nGET ~ HTTP/1.1", Both),
    ("\nGET ~ HTTP/1.1", Refuse),
    ("\rGET ~ HTTP/1.1", Refuse),
    (" GET ~ HTTP/1.1", Refuse),
    ("\tGET ~ HTTP/1.1", Refuse),
    ("\0GET ~ HTTP/1.1", Refuse),
    ("GET  ~ HTTP/1.1", Refuse),
    ("GET ~  HTTP/1.1", Refuse),
    ("GET\t~ HTTP/1.1", Refuse),
    ("GET ~\tHTTP/1.1", Refuse),
    ("GET ~ HTTP/1.1 ", Refuse),
    ("GET ~ HTTP/1.1\t", Refuse),
    ("GET ~ HTTP/1.1 HTTP/1.1", Refuse),
    ("GET ~ HTTP/1.0 HTTP/1.1", Refuse),
    ("GET ~ ~ HTTP/1.1", Refuse),
    ("GET HTTP/1.1", Refuse),
    ("GET  HTTP/1.1", Refuse),
    ("~ HTTP/1.1", Refuse),
    ("GET", Refuse),
    ("HTTP/1.1 200 OK", Refuse),
    ("get ~ HTTP/1.1", Both),
    ("Get ~ HTTP/1.1", Both),
    ("FROB ~ HTTP/1.1", Both),
    ("GETT HTTP/1.1", Refuse),
    ("GET ~ http/1.1", Refuse),
    ("GET ~ HTTP/1.2", Both),
    ("GET ~ HTTP/1.9", Both),
    ("GET ~ HTTP/1.10", Refuse),
    ("GET ~ HTTP/1.", Refuse),
    ("GET ~ HTTP/1", Refuse),
    ("GET ~ HTTP/11", Refuse),
    ("GET ~ HTTP/01.1", Refuse),
    ("GET ~ HTTP/+1.1", Refuse),
    ("GET ~ HTTP /1.1", Refuse),
    ("GET ~ HTTP/ 1.1", Refuse),
    ("GET ~ HTP/1.1", Refuse),
    ("GET ~ ICY/1.1", Refuse),
    ("GET ~ HTTP/0.9", Refuse),
    ("GET ~ HTTP/2.0", Refuse),
    ("GET ~ HTTP/2", Refuse),
    ("GET ~ HTTP/3.0", Refuse),
    ("GET ~", Refuse),
];

/// Targets with a Host beside them. Source: RFC 9112 §3.2, RFC 9110 §7.2.
const TARGETS: [(&str, May); 46] = [
    ("/files/tree/kept", Answer),
    ("http://mirror.example/files/tree/kept", Answer),
    ("HTTP://mirror.example/files/tree/kept", Answer),
    ("https://mirror.example/files/tree/kept", Both),
    ("http://mirror.example:80/files/tree/kept", Refuse),
    ("http://MIRROR.example/files/tree/kept", Both),
    ("http://other.example/files/tree/kept", Refuse),
    ("http://other.example/", Refuse),
    ("http://other.example", Refuse),
    ("http://mirror.example", Both),
    ("http://mirror.example?a", Both),
    ("http://mirror.example#a", Refuse),
    ("http:///files/tree/kept", Refuse),
    ("http:/files/tree/kept", Refuse),
    ("http:files/tree/kept", Refuse),
    ("http://user@mirror.example/files/tree/kept", Refuse),
    ("http://mirror.example@other.example/files/tree/kept", Refuse),
    ("http://mirror.example\\@other.example/files/tree/kept", Refuse),
    ("http:\\\\mirror.example\\files\\tree\\kept", Refuse),
    ("http://mirror.example:99999/files/tree/kept", Refuse),
    ("http://mirror.example:x/files/tree/kept", Refuse),
    ("http://[::1/files/tree/kept", Refuse),
    ("ftp://mirror.example/files/tree/kept", Refuse),
    ("file:///files/tree/kept", Refuse),
    ("javascript:alert(1)", Refuse),
    ("ws://mirror.example/files/tree/kept", Refuse),
    ("mirror.example:80", Refuse),
    ("mirror.example", Refuse),
    ("*", Refuse),
    ("files/tree/kept", Refuse),
    ("?a", Refuse),
    ("#a", Refuse),
    ("/files/tree/kept#a", Refuse),
    ("/files/tree/kept?a#b", Refuse),
    ("//mirror.example/files/tree/kept", Both),
    ("//other.example/files/tree/kept", Both),
    ("/\\other.example/files/tree/kept", Both),
    ("/files/tree/../tree/kept", Both),
    ("/files/tree/%2e%2e/tree/kept", Both),
    ("/files/tree/kept%00", Both),
    ("/files/tree/kept%0d%0aX:%20y", Both),
    ("/files/tree/kept%0AX", Both),
    ("/files/tree/kept%7f", Both),
    ("/files/tree/kept%20HTTP/1.1", Both),
    ("/files/tree/kept%", Both),
    ("/files/tree/kept%zz", Both),
];

/// Lines that name the host. Source: RFC 9112 §3.2.
const HOSTS: [(&str, May); 38] = [
    ("Host: mirror.example\r\n", Answer),
    ("host:mirror.example\r\n", Answer),
    ("HOST: \t mirror.example \t\r\n", Answer),
    ("Host: mirror.example:4870\r\n", Answer),
    ("Host: 127.0.0.1\r\n", Answer),
    ("Host: [::1]:4870\r\n", Answer),
    ("Host: mirror.example.\r\n", Both),
    ("Host: mirror_example\r\n", Both),
    ("Host: mirror.example:\r\n", Both),
    ("", Refuse),
    ("Host:\r\n", Refuse),
    ("Host: \r\n", Refuse),
    ("Host: mirror.example\r\nHost: mirror.example\r\n", Refuse),
    ("Host: mirror.example\r\nHost: other.example\r\n", Refuse),
    ("Host: mirror.example\r\nhOST: other.example\r\n", Refuse),
    ("Host: mirror.example\r\nX-A: b\r\nHost: mirror.example\r\n", Refuse),
    ("Host: mirror.example\r\nHost:\r\n", Refuse),
    ("Host:\r\nHost: mirror.example\r\n", Refuse),
    ("Host: mirror.example, other.example\r\n", Refuse),
    ("Host: mirror.example other.example\r\n", Refuse),
    ("Host: mirror.example\tother.example\r\n", Refuse),
    ("Host: user@mirror.example\r\n", Refuse),
    ("Host: http://mirror.example\r\n", Refuse),
    ("Host: mirror.example/files\r\n", Refuse),
    ("Host: mirror.example?a\r\n", Refuse),
    ("Host: mirror.example#a\r\n", Refuse),
    ("Host: mirror.example:x\r\n", Refuse),
    ("Host: mirror.example:123456\r\n", Refuse),
    ("Host: mirror.example:80:80\r\n", Refuse),
    ("Host: [::1\r\n", Refuse),
    ("Host: \"mirror.example\"\r\n", Refuse),
    ("Host: mirror.example\0\r\n", Refuse),
    ("Host: mirror.example\\r\r\n", Refuse),
    ("Host : mirror.example\r\n", Refuse),
    (" Host: mirror.example\r\n", Refuse),
    ("Host:\r\n mirror.example\r\n", Refuse),
    ("X: y\r\n Host: mirror.example\r\n", Refuse),
    ("Ho\u{17f}t: mirror.example\r\n", Refuse),
];

/// Lines that have to do with the connection, over a request without a body. Source: RFC 9110 §7.6.1, §7.8, §10.1.1.
const CONNECTIONS: [(&str, May); 26] = [
    ("Connection: keep-alive\r\n", Answer),
    ("Connection: close\r\n", Answer),
    ("Connection: close, keep-alive\r\n", Answer),
    ("Connection: keep-alive\r\nConnection: close\r\n", Answer),
    ("Connection: Host\r\n", Answer),
    ("Connection: Content-Length, Transfer-Encoding\r\n", Answer),
    ("Connection: ,,,\r\n", Answer),
    ("Connection:\r\n", Answer),
    ("Proxy-Connection: keep-alive\r\n", Answer),
    ("Keep-Alive: timeout=100000\r\n", Answer),
    ("TE: trailers, chunked\r\nConnection: TE\r\n", Answer),
    ("Trailer: Content-Length\r\n", Answer),
    ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", Answer),
    ("Upgrade: h2c\r\n", Answer),
    ("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", Answer),
    (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n",
        Answer,
    ),
    ("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", Answer),
    ("Connection: Upgrade\r\nUpgrade: HTTP/1.0\r\n", Answer),
    ("Expect: 100-continue\r\n", Both),
    ("Expect: 200-ok\r\n", Both),
    ("Expect: 100-continue, 200-ok\r\n", Both),
    ("Expect:\r\n", Both),
    ("Range: bytes=0-\r\nRange: bytes=1-\r\n", Both),
    ("X-HTTP-Method-Override: DELETE\r\n", Answer),
    ("Content-Length: 0\r\n", Answer),
    ("Content-Encoding: gzip\r\n", Answer),
];

/// Whole requests of other kinds. Source: RFC 9110 §9.3.6, §9.3.7, §9.3.8, RFC 9113 §3.4, RFC 1945.
const OTHERS: [(&str, May); 30] = [
    ("CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n", Refuse),
    ("CONNECT mirror.example:80 HTTP/1.1\r\nHost: mirror.example:80\r\n\r\n", Refuse),
    ("CONNECT /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\n\r\n", Refuse),
    ("CONNECT other.example:443 HTTP/1.0\r\n\r\n", Refuse),
    ("CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\nContent-Length: 5\r\n\r\nhello", Refuse),
    ("OPTIONS * HTTP/1.1\r\nHost: mirror.example\r\n\r\n", Both),
    ("OPTIONS /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\nMax-Forwards: 0\r\n\r\n", Both),
    ("TRACE /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\n\r\n", Both),
    ("TRACE /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\nContent-Length: 5\r\n\r\nhello", Both),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refuse),
    ("PRI * HTTP/1.1\r\nHost: mirror.example\r\n\r\nSM\r\n\r\n", Refuse),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", Refuse),
    ("GET /files/tree/kept\r\n", Refuse),
    ("GET /files/tree/kept\r\n\r\n", Refuse),
    ("GET /files/tree/kept HTTP/1.0\r\n\r\n", Both),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\n\r\n", Answer),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nConnection: close\r\n\r\n", Answer),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nConnection: keep-alive\r\n\r\n", Answer),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nConnection: keep-alive, close\r\n\r\n", Answer),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nUpgrade: h2c\r\n\r\n", Answer),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nExpect: 100-continue\r\n\r\n", Both),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refuse),
    (
        "GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refuse,
    ),
    (
        "GET /files/tree/kept HTTP/1.0\r\nHost: mirror.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        Refuse,
    ),
    ("GET /files/tree/kept HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Refuse),
    ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n", Refuse),
    ("SSH-2.0-client\r\n\r\n", Refuse),
    ("EHLO mirror.example\r\n\r\n", Refuse),
    ("{\"jsonrpc\":\"2.0\"}\r\n\r\n", Refuse),
    ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\n\r\n", Refuse),
];

/// Returns every head of the corpus.
pub fn cases() -> Vec<Case> {
    let mut cases = breaks();
    cases.extend(bytes());
    cases.extend(REQUEST_LINES.iter().map(|(line, may)| {
        let line = line.replace('~', "/files/tree/kept");
        Case::raw("9112 2.3, 3", format!("{line}\r\n{HOST}\r\n\r\n"), *may)
    }));
    cases.extend(
        TARGETS
            .iter()
            .map(|(target, may)| Case::raw("9112 3.2", format!("GET {target} HTTP/1.1\r\n{HOST}\r\n\r\n"), *may)),
    );
    cases.extend(
        ["http://mirror.example/files/tree/kept", "https://mirror.example/"]
            .map(|target| Case::raw("9112 3.2.2", format!("GET {target} HTTP/1.1\r\n\r\n"), Refuse)),
    );
    cases.extend(HOSTS.iter().map(|(lines, may)| Case::raw("9112 3.2", format!("{START}\r\n{lines}\r\n"), *may)));
    cases.extend(
        CONNECTIONS
            .iter()
            .map(|(lines, may)| Case::raw("9110 7.6, 7.8, 10.1", format!("{START}\r\n{HOST}\r\n{lines}\r\n"), *may)),
    );
    cases.extend(OTHERS.iter().map(|(text, may)| Case::raw("9110 9.3, 9112 3.2.3", *text, *may)));
    cases.extend(passed());
    cases.extend(long());
    cases
}

/// Each line of a head, with each break in place of its own.
fn breaks() -> Vec<Case> {
    let lines = [START, HOST, "X-A: b", ""];
    let mut cases = Vec::new();
    for wrong in 0..lines.len() {
        // A head that is followed by a tab has ended.
        for end in BREAKS.into_iter().filter(|end| wrong + 1 < lines.len() || *end != "\r\n\t") {
            let mut text = String::new();
            for (index, line) in lines.iter().enumerate() {
                text.push_str(line);
                text.push_str(if index == wrong { end } else { "\r\n" });
            }
            // Whoever takes the break for one sees another request than who does not.
            cases.push(Case::raw("9112 2.2", format!("{text}{SMUGGLED}"), Refuse));
        }
    }
    cases
}

/// Each byte in a name, a value, a method and a target.
fn bytes() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in BYTES {
        let is_control = byte < b' ' && byte != b'\t' || byte == 0x7f;
        for (place, (before, after)) in [
            ("GET /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\nX-", "A: b\r\n\r\n"),
            ("GET /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\nX-A: b", "c\r\n\r\n"),
            ("G", "ET /files/tree/kept HTTP/1.1\r\nHost: mirror.example\r\n\r\n"),
            ("GET /files/tree/k", "ept HTTP/1.1\r\nHost: mirror.example\r\n\r\n"),
        ]
        .into_iter()
        .enumerate()
        {
            let may = match place {
                0 if byte == b':' => Answer,
                0 | 2 => Refuse,
                _ if is_control => Refuse,
                1 => Answer,
                _ if matches!(byte, b'\t' | b' ') => Refuse,
                _ => Both,
            };
            let bytes = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            cases.push(Case::raw("9110 5.5, 5.6.2", bytes, may));
        }
    }
    cases
}

/// Requests that are passed on, which must reach the upstream as they are meant.
fn passed() -> Vec<Case> {
    let length = "Content-Length: 11\r\n";
    let mut cases: Vec<Case> = [
        "Expect: 100-continue\r\n",
        "Connection: Content-Length\r\n",
        "Connection: close, Content-Length, Transfer-Encoding\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Trailer: Host\r\n",
        "TE: chunked\r\n",
        "X-Forwarded-Host: other.example\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
    ]
    .iter()
    .map(|lines| Case::framed("9110 7.6.1", Route::Passed, &format!("{lines}{length}"), PAYLOAD, Both))
    .collect();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let text = format!("{method} /files/tree/passed HTTP/1.1\r\n{HOST}\r\n{length}\r\n{PAYLOAD}");
        cases.push(Case { route: Route::Passed, body: PAYLOAD, ..Case::raw("9110 9.3", text, Both) });
    }
    cases
}

/// More of a head than anybody needs. Source: RFC 9112 §3, RFC 9110 §5.4, RFC 6585 §5.
fn long() -> Vec<Case> {
    let head = |lines: String| format!("{START}\r\n{HOST}\r\n{lines}\r\n");
    let mut cases = Vec::new();
    for (count, may) in [(10, Answer), (98, Answer), (100, Refuse), (255, Refuse), (300, Refuse), (5_000, Refuse)] {
        cases.push(Case::raw("9110 5.4", head("A: b\r\n".repeat(count)), may));
    }
    for (length, may) in [(8_000, Answer), (30_000, Answer), (33_000, Refuse), (70_000, Refuse), (2_000_000, Refuse)] {
        let text = "a".repeat(length);
        cases.push(Case::raw("6585 5", head(format!("X-A: {text}\r\n")), may));
        let name = if length < 30_000 { may } else { Refuse };
        cases.push(Case::raw("6585 5", head(format!("X-{text}: a\r\n")), if may == Answer { Both } else { name }));
        let may = if may == Answer { Both } else { Refuse };
        cases.push(Case::raw("9112 3", format!("GET /files/tree/{text} HTTP/1.1\r\n{HOST}\r\n\r\n"), may));
        cases.push(Case::raw("9112 3", format!("GET /files/tree/kept?{text} HTTP/1.1\r\n{HOST}\r\n\r\n"), may));
    }
    cases.push(Case::raw("9112 2.2", format!("{}{}", "\r\n".repeat(20_000), head(String::new())), Refuse));
    cases
}
