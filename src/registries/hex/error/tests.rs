use std::error::Error as _;

use super::*;
use crate::base::http::Body;

fn body(reply: &Reply) -> Vec<u8> {
    let Body::Bytes(bytes) = &reply.body else { panic!("an error has a body") };
    bytes.to_vec()
}

fn text(reply: &Reply) -> String {
    String::from_utf8(body(reply)).unwrap()
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    Some(reply.headers.get(name)?.to_str().unwrap().to_owned())
}

fn shape(path: &str, accept: &[&'static str]) -> Shape {
    let headers = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect();
    Shape::of(path, &headers)
}

#[test]
fn every_error_has_its_status_and_cache_rule_in_every_shape() {
    let what = || "jason".to_owned();
    let cause: Cause = Arc::new(std::io::Error::other("secret detail"));
    for (error, status, cache) in [
        (Error::bad_request("no"), 400, "no-store"),
        (Error::Unauthorized, 401, "no-store"),
        (Error::Forbidden("no".into()), 403, "no-store"),
        (Error::not_found("jason"), 404, "no-cache"),
        (Error::MethodNotAllowed { allow: ALLOW_READ }, 405, "no-store"),
        (Error::TooLarge, 413, "no-store"),
        (Error::TooMany, 429, "no-store"),
        (Error::Internal(cause.clone()), 500, "no-store"),
        (Error::NotImplemented, 501, "no-store"),
        (Error::Unproven { what: what(), cause: Some(cause.clone()) }, 502, "no-store"),
        (Error::BadGateway { what: what(), cause: None }, 502, "no-store"),
        (Error::Unreachable { what: what(), retry_after: None, cause: None }, 503, "no-store"),
        (Error::TimedOut { what: what(), cause: None }, 504, "no-store"),
        (Error::NotHeld { what: what() }, 504, "no-store"),
        (Error::Loop, 508, "no-store"),
    ] {
        for shape in [Shape::Text, Shape::Json, Shape::Erlang] {
            let reply = error.reply("r-1", shape);
            assert_eq!(reply.status.as_u16(), status, "{error:?}");
            assert_eq!(header(&reply, "cache-control").as_deref(), Some(cache), "{error:?}");
            assert_eq!(header(&reply, "content-encoding"), None, "{error:?}");
            let body = body(&reply);
            assert!(!body.is_empty() && !body.windows(13).any(|part| part == b"secret detail"), "{error:?}");
        }
        assert!(!text(&error.reply("r-1", Shape::Text)).contains('\n'), "one line is printed whole: {error:?}");
    }
}

#[test]
fn a_repository_says_it_in_one_plain_line() {
    let reply = Error::not_found("jason 9.9.9").reply("r", Shape::Text);
    assert_eq!(text(&reply), "jason 9.9.9 not found");
    assert_eq!(header(&reply, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
}

#[test]
fn the_api_says_it_in_the_format_that_was_asked_for() {
    let error = Error::not_found("x");
    let json = error.reply("r", Shape::Json);
    assert_eq!(header(&json, "content-type").as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text(&json)).unwrap(),
        serde_json::json!({"status": 404, "message": "x not found"})
    );

    let term = error.reply("r", Shape::Erlang);
    assert_eq!(header(&term, "content-type").as_deref(), Some("application/vnd.hex+erlang; charset=utf-8"));
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
fn our_own_faults_show_the_request_id_only() {
    let error = Error::Internal(Arc::new(std::io::Error::other("disk on fire")));
    assert_eq!(text(&error.reply("r-7", Shape::Text)), "the mirror failed, request r-7");
    let told = error.told(Shape::Text);
    assert!(told.is_ours() && !Error::not_found("x").told(Shape::Text).is_ours());
    assert_eq!(
        (told.to_string(), told.source().unwrap().to_string()),
        ("the mirror failed".into(), "disk on fire".into())
    );
    assert_eq!(text(&Error::not_found("x").reply("r-7", Shape::Text)), "x not found");
}

#[test]
fn a_damaged_entry_is_told_to_the_engine_and_in_the_clients_shape() {
    let damaged = Error::Internal(Arc::new(mirror::Error::Broken { key: "k".into() })).told(Shape::Erlang);
    assert!(matches!(damaged.engine(), Some(mirror::Error::Broken { .. })));
    assert_eq!(
        header(&damaged.reply("r"), "content-type").as_deref(),
        Some("application/vnd.hex+erlang; charset=utf-8")
    );
    assert!(Error::not_found("x").told(Shape::Text).engine().is_none());
}

#[test]
fn a_refusal_tells_mix_why_in_a_quoted_string() {
    let reply = Error::Forbidden("jason 1.0.0 is blocked here: \"zu\" jung\\grün\n".into()).reply("r", Shape::Text);
    let expected = "\"jason 1.0.0 is blocked here: 'zu' jung?gr?n?\"; level=fatal";
    assert_eq!(header(&reply, "x-hex-message").as_deref(), Some(expected));
    let long = header(&Error::Forbidden("x".repeat(5_000).into()).reply("r", Shape::Text), "x-hex-message").unwrap();
    assert_eq!(long.len(), MAX_MESSAGE + "\"\"; level=fatal".len());
    assert!(
        header(&Error::Unproven { what: "x".into(), cause: None }.reply("r", Shape::Text), "x-hex-message").is_some()
    );
    assert_eq!(header(&Error::not_found("x").reply("r", Shape::Text), "x-hex-message"), None);
}

#[test]
fn single_errors_have_their_own_headers() {
    let reply = Error::MethodNotAllowed { allow: ALLOW_READ }.reply("r", Shape::Text);
    assert_eq!(header(&reply, "allow").as_deref(), Some("GET, HEAD"));
    let reply = Error::Unauthorized.reply("r", Shape::Text);
    assert_eq!(header(&reply, "www-authenticate").as_deref(), Some("Basic realm=hex"));
    let error = Error::Unreachable { what: "x".into(), retry_after: Some(Duration::from_millis(1_200)), cause: None };
    assert_eq!(header(&error.reply("r", Shape::Text), "retry-after").as_deref(), Some("2"));
}

#[test]
fn what_the_front_refuses_has_the_same_shape() {
    for (refusal, status) in
        [(Refusal::Loop, 508), (Refusal::TooLarge, 413), (Refusal::TooMany, 429), (Refusal::Unreachable, 503)]
    {
        let reply = Told::from(refusal).reply("r");
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(header(&reply, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
        assert!(!text(&reply).is_empty());
    }
}
