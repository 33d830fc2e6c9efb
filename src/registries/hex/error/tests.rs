use super::*;
use crate::base::http::Body;
use crate::registries::failure::{every, of_engine};

const SHAPES: [Shape; 3] = [Shape::Text, Shape::Json, Shape::Erlang];

fn body(reply: &Reply) -> Vec<u8> {
    let Body::Bytes(bytes) = &reply.body else { panic!("an error has a body") };
    bytes.to_vec()
}

fn shape(path: &str, accept: &[&'static str]) -> Shape {
    let headers = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect();
    Shape::of(path, &headers)
}

#[test]
fn every_error_has_its_status_in_every_shape() {
    for shape in SHAPES {
        let told = every().into_iter().map(|error| {
            let reply = reply(&error, "r-1", shape);
            assert_eq!(reply.header("content-encoding"), None, "{error:?}");
            let body = body(&reply);
            assert!(!body.is_empty() && !body.windows(13).any(|part| part == b"secret detail"), "{error:?}");
            assert!(shape != Shape::Text || !body.contains(&b'\n'), "one line is printed whole: {error:?}");
            reply.status.as_u16()
        });
        let expected = [
            400, 401, 403, 404, 405, 406, 410, 413, 429, 451, 451, 500, 501, 502, 502, 503, 504, 504, 508, 409, 422,
            429, 503, 401, 404,
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn every_error_of_the_engine_has_its_status() {
    let status = |error| reply(&of_mirror(error, "jason"), "r", Shape::Text).status.as_u16();
    let refused = [401, 404, 403, 502];
    let others = [404, 404, 502, 403, 503, 504, 502, 502, 502, 502, 503, 504, 500, 500, 503, 500];
    assert_eq!(of_engine().into_iter().map(status).collect::<Vec<_>>(), [&refused[..], &others].concat());
}

#[test]
fn a_repository_says_it_in_one_plain_line() {
    let reply = reply(&Error::not_found("jason 9.9.9"), "r", Shape::Text);
    assert_eq!(reply.text(), "jason 9.9.9 not found");
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn the_api_says_it_in_the_format_that_was_asked_for() {
    let error = Error::not_found("x");
    let json = reply(&error, "r", Shape::Json);
    assert_eq!(json.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json.text()).unwrap(),
        serde_json::json!({"status": 404, "message": "x not found"})
    );

    let term = reply(&error, "r", Shape::Erlang);
    assert_eq!(term.header("content-type"), Some("application/vnd.hex+erlang; charset=utf-8"));
    // term_to_binary(#{<<"message">> => <<"x not found">>, <<"status">> => 404}), but for Erlang's own shorter integer.
    let expected = b"\x83t\0\0\0\x02m\0\0\0\x07messagem\0\0\0\x0bx not foundm\0\0\0\x06statusb\0\0\x01\x94";
    assert_eq!(body(&term), expected);
}

#[test]
fn only_the_api_looks_at_accept() {
    const ERLANG: &str = "application/vnd.hex+erlang";
    for path in ["/packages/jason", "/", "/repos/acme/names"] {
        assert_eq!(shape(path, &[ERLANG]), Shape::Text, "{path}");
    }
    for (accept, expected) in [
        (&[][..], Shape::Json),
        (&["*/*"], Shape::Json),
        (&["application/json"], Shape::Json),
        (&["application/vnd.hex+json"], Shape::Json),
        (&["application/vnd.hex+elixir"], Shape::Json),
        (&["application/vnd.hex.beta+json"], Shape::Json),
        (&["text/html"], Shape::Json),
        (&[ERLANG], Shape::Erlang),
        (&["Application/Vnd.Hex+Erlang; q=1"], Shape::Erlang),
        (&["application/vnd.hex.beta+erlang"], Shape::Erlang),
        (&["application/json", ERLANG], Shape::Erlang),
        (&["text/html, application/vnd.hex+erlang"], Shape::Erlang),
    ] {
        assert_eq!(shape("/api/packages/jason", accept), expected, "{accept:?}");
    }
}

#[test]
fn a_refusal_tells_mix_why_in_a_quoted_string() {
    let told = |error| reply(&error, "r", Shape::Text);
    let refused = told(Error::Forbidden("jason 1.0.0 is blocked here: \"zu\" jung\\grün\n".into()));
    let expected = "\"jason 1.0.0 is blocked here: 'zu' jung?gr?n?\"; level=fatal";
    assert_eq!(refused.header("x-hex-message"), Some(expected));
    let long = told(Error::Forbidden("x".repeat(5_000).into()));
    assert_eq!(long.header("x-hex-message").unwrap().len(), MAX_MESSAGE + "\"\"; level=fatal".len());
    assert!(told(Error::Unproven { what: "x".into(), cause: None }).header("x-hex-message").is_some());
    assert_eq!(told(Error::not_found("x")).header("x-hex-message"), None);
}

#[test]
fn what_a_client_can_do_about_it_stands_in_the_headers() {
    for (error, name, value) in [
        (Error::only(ALLOW_READ), "allow", "GET, HEAD"),
        (NO_KEY, "www-authenticate", "Basic realm=hex"),
        (Error::TooMany, "retry-after", "1"),
        (Error::not_found("x"), "cache-control", "no-cache"),
        (Error::TooLarge, "cache-control", "no-store"),
    ] {
        assert_eq!(reply(&error, "r", Shape::Text).header(name), Some(value), "{error:?}");
    }
}
