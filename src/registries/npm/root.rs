//! `GET /`: what CouchDB said of itself, which old clients still read, and what the cnpm dialect adds of how much there is.
//! Source: contract npm §5.5.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::Npm;
use super::catalog::Sums;
use super::error::Error;
use super::replies::listed;
use crate::base::http::Reply;
use crate::config::{InStep, Mode, Who};
use crate::overlay::downloads::Day;
use crate::registries::times::print_millis;

/// Days from the first to the last, both included.
type Days = (Day, Day);

impl Npm {
    /// `GET /`. What is counted is what everybody sees: the same for whoever may read.
    pub(super) async fn root(&self, base: &str) -> Result<Reply, Error> {
        let (census, today) = (self.catalog.census(&self.gate).await?, self.gate.overlay().today());
        let periods = periods(today);
        let from = periods.iter().map(|(_, (from, _))| *from).min().unwrap_or(today);
        let (sums, screen) = (self.catalog.sums(&self.gate, from).await?, self.blocks.screen().await?);
        let upstreams = self.print_upstreams(base).await?;
        let bytes = self.mirror.store().totals().bytes;
        let last_package = census.last_package.filter(|name| !screen.hides(name)).unwrap_or_default();
        let is_open = |(name, version): &(String, String)| screen.of(name).find(version).is_none();
        let last_release = census.last_release.filter(is_open).map(|(name, version)| format!("{name}@{version}"));
        let body = json!({
            "db_name": "registry",
            "engine": "heliostat",
            "app_version": env!("CARGO_PKG_VERSION"),
            "last_package": last_package,
            "last_package_version": last_release.unwrap_or_default(),
            "doc_count": census.packages,
            "doc_del_count": census.emptied,
            "doc_version_count": census.versions,
            "update_seq": census.head,
            "committed_update_seq": census.head,
            "purge_seq": 0,
            "compact_running": false,
            "disk_size": bytes,
            "data_size": bytes,
            "instance_start_time": "0",
            "disk_format_version": 1,
            "download": print_downloads(&periods, &sums),
            "cache_time": print_millis(sums.at),
            "sync_model": sync_model(&self.in_step),
            "sync_changes_steam": {},
            "sync_binary": !self.binaries.load().all().is_empty(),
            "source_registry": told(self.configured.default.url.as_str()),
            "changes_stream_registry": self.changes_registry(),
            "upstream_registries": upstreams,
        });
        Ok(listed(StatusCode::OK, &body))
    }

    /// Says where changes are read that lead to tasks; nothing, where none do.
    fn changes_registry(&self) -> String {
        let own = || self.configured.default.url.to_string();
        let url = match self.in_step.mode {
            Mode::Demand => String::new(),
            Mode::Known | Mode::Listed | Mode::All => self.changes.as_ref().map_or_else(own, ToString::to_string),
        };
        told(&url).to_owned()
    }
}

/// Registries are told without the slash at their end.
fn told(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// Says in cnpm's words what follows upstream. Whatever that is, what is asked for is fetched. Source: contract npm §12.5.
fn sync_model(in_step: &InStep) -> &'static str {
    match (in_step.who, in_step.mode) {
        (_, Mode::All) => "all",
        (Who::Nobody, Mode::Demand) => "none",
        (Who::Admin, Mode::Demand) => "admin",
        _ => "proxy",
    }
}

/// Names the periods of which downloads are told: those that a day is in, as far as they have come, and those before it.
/// Weeks begin on Mondays.
fn periods(today: Day) -> [(&'static str, Days); 8] {
    let date = date_of(today);
    let first_of_month = today.saturating_sub(u64::from(date.day()) - 1);
    let first_of_year = today.saturating_sub(u64::from(date.ordinal()) - 1);
    let first_of_week = today.saturating_sub(u64::from(date.weekday().number_days_from_monday()));
    let before = |first: Day, days: u64| (first.saturating_sub(days), first.saturating_sub(1));
    let last_month = date_of(first_of_month.saturating_sub(1));
    let last_year = date_of(first_of_year.saturating_sub(1));
    [
        ("today", (today, today)),
        ("thisweek", (first_of_week, today)),
        ("thismonth", (first_of_month, today)),
        ("thisyear", (first_of_year, today)),
        ("lastday", before(today, 1)),
        ("lastweek", before(first_of_week, 7)),
        ("lastmonth", before(first_of_month, u64::from(last_month.day()))),
        ("lastyear", before(first_of_year, u64::from(last_year.ordinal()))),
    ]
}

fn date_of(day: Day) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(i64::try_from(day).unwrap_or(i64::MAX / 2)))
}

fn print_downloads(periods: &[(&'static str, Days)], sums: &Sums) -> Value {
    let within = |(from, to): Days| sums.days.iter().filter(move |(day, _)| (from..=to).contains(day));
    let told =
        |(name, days): &(&str, Days)| ((*name).to_owned(), json!(within(*days).map(|(_, count)| count).sum::<u64>()));
    Value::Object(periods.iter().map(told).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use time::{Date, Month};

    use super::*;

    fn day(year: i32, month: Month, day: u8) -> Day {
        let date = Date::from_calendar_date(year, month, day).unwrap();
        Day::try_from((date - OffsetDateTime::UNIX_EPOCH.date()).whole_days()).unwrap()
    }

    #[test]
    fn periods_begin_with_their_first_day_and_those_before_end_where_they_begin() {
        // A Friday.
        let periods = periods(day(2024, Month::March, 1));
        let expected = [
            ("today", (day(2024, Month::March, 1), day(2024, Month::March, 1))),
            ("thisweek", (day(2024, Month::February, 26), day(2024, Month::March, 1))),
            ("thismonth", (day(2024, Month::March, 1), day(2024, Month::March, 1))),
            ("thisyear", (day(2024, Month::January, 1), day(2024, Month::March, 1))),
            ("lastday", (day(2024, Month::February, 29), day(2024, Month::February, 29))),
            ("lastweek", (day(2024, Month::February, 19), day(2024, Month::February, 25))),
            ("lastmonth", (day(2024, Month::February, 1), day(2024, Month::February, 29))),
            ("lastyear", (day(2023, Month::January, 1), day(2023, Month::December, 31))),
        ];
        assert_eq!(periods, expected);
    }
}
