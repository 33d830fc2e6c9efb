use heliostat::registries::hex::routes::{Action, is_api, parse};
use heliostat_fuzz::{Asked, assert_below, assert_plain};

pub fn check(asked: &Asked<'_>) {
    let Ok(action) = parse(&asked.method, asked.path, asked.query) else { return };
    assert_eq!(matches!(action, Action::Api { .. }), is_api(asked.path), "errors would have the other's shape");
    let path = action.path();
    if let Action::Api { .. } = action {
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        assert!(!path.split('/').any(|part| matches!(part, "." | "..")), "{path}");
        assert_eq!(parse(&asked.method, &format!("api/{path}"), query).ok(), Some(action));
        return;
    }
    assert_plain(&path);
    assert_below(&path);
    assert_eq!(parse(&asked.method, &path, "").ok(), Some(action), "{path}");
}
