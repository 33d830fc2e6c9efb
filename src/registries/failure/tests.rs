use super::*;

#[test]
fn every_error_of_the_engine_is_one_failure() {
    let told = of_engine().into_iter().map(|error| of_mirror(error, "left-pad").to_string());
    let (held, gateway) = ("left-pad is not held", "upstream gives no usable answer for left-pad");
    let unproven = "left-pad from upstream does not prove to be right";
    let refused = "upstream does not allow left-pad";
    let unreachable = format!("upstream cannot be reached and {held}");
    let expected = [
        refused,
        refused,
        refused,
        gateway,
        "left-pad not found",
        "left-pad not found",
        unproven,
        "left-pad has other bytes upstream than when this mirror first saw it; \
         they are refused until its operator accepts them",
        &unreachable,
        &format!("upstream does not answer in time and {held}"),
        gateway,
        gateway,
        gateway,
        gateway,
        &unreachable,
        "left-pad is not held here, and the request wants nothing else",
        "the mirror failed",
        "the mirror failed",
        "this registry cannot be asked just now",
        "the mirror failed",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn our_own_faults_show_the_request_id_only() {
    for error in every() {
        let sentence = error.sentence("r-7");
        assert!(!sentence.contains("secret detail"), "{sentence}");
        assert_eq!(sentence.ends_with(", request r-7"), error.is_ours(), "{sentence}");
    }
    let error = Error::internal("disk on fire");
    assert_eq!(error.sentence("r-7"), "the mirror failed, request r-7");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "disk on fire");
}

#[test]
fn a_damaged_entry_is_told_to_the_engine() {
    let damaged = of_mirror(mirror::Error::Broken { key: "k".into() }, "x");
    assert!(matches!(damaged.engine(), Some(mirror::Error::Broken { .. })));
    assert!(Error::not_found("x").engine().is_none());
}

#[test]
fn a_stale_document_cannot_tell_that_something_is_missing() {
    assert!(matches!(Error::missing("x".into(), CacheState::Stale), Error::Unreachable { .. }));
    let missing = Error::missing("x".into(), CacheState::Hit);
    assert!(matches!(missing, Error::NotFound { cache: CacheState::Hit, .. }));
}

#[test]
fn what_a_client_can_do_about_it_stands_in_the_headers() {
    let pause = Some(Duration::from_millis(1_200));
    for (error, name, value) in [
        (Error::only("GET, HEAD"), header::ALLOW, Some("GET, HEAD")),
        (Error::only(""), header::ALLOW, Some("")),
        (Error::TooMany, header::RETRY_AFTER, Some("1")),
        (Error::Unreachable { what: "x".into(), retry_after: pause, cause: None }, header::RETRY_AFTER, Some("2")),
        (Error::missing("x".into(), CacheState::Stale), header::RETRY_AFTER, None),
        (Error::not_found("x"), header::CACHE_CONTROL, Some("no-cache")),
        (Error::TooLarge, header::CACHE_CONTROL, Some("no-store")),
        (
            Error::NothingLeft { what: "x".into(), reason: "evil".into() },
            header::CACHE_CONTROL,
            // It ends with the block.
            Some("no-store"),
        ),
    ] {
        let mut reply = Reply::empty(::http::StatusCode::OK);
        error.explain(&mut reply);
        assert_eq!(reply.header(name.as_str()), value, "{error:?}");
    }
}

#[test]
fn what_a_path_takes_is_said_in_words() {
    for (allow, expected) in [
        ("", "this is a read-only mirror: this path takes nothing"),
        ("GET, HEAD", "this is a read-only mirror: GET, HEAD is all this path takes"),
        ("GET, HEAD, PUT", "this path takes GET, HEAD, PUT only"),
    ] {
        assert_eq!(Error::only(allow).to_string(), expected);
    }
}

#[test]
fn the_cache_had_no_part_in_what_is_the_clients_own_fault() {
    let absent = |error: &Error| matches!(error, Error::NotFound { .. } | Error::Gone { .. });
    for error in every() {
        let mut reply = Reply::empty(::http::StatusCode::OK);
        error.explain(&mut reply);
        let expected = match error.fault() {
            Fault::Client if absent(&error) => CacheState::Hit,
            Fault::Client | Fault::Ours => CacheState::Bypass,
            Fault::Upstream => CacheState::Failed,
        };
        assert_eq!(reply.note.cache, expected, "{error:?}");
    }
}
