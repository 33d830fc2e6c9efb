//! Archives that are well-made, and those that are made to harm.

use tar::Builder;

use super::*;
use crate::base::chain::Chain;

const LIMITS: Limits = Limits { members: 100, unpacked_bytes: 1 << 20 };

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    header
}

/// Writes a member under a path that no well-meaning writer would take.
fn raw(builder: &mut Builder<Vec<u8>>, kind: EntryType, path: &[u8], body: &[u8]) {
    let mut header = header(kind, body.len());
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.set_cksum();
    builder.append(&header, body).unwrap();
}

fn archive(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().unwrap()
}

/// Prints a line of a pax header, whose length counts itself.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let length = |digits: usize| digits + key.len() + value.len() + 3;
    let digits = (1..5).find(|digits| length(*digits).to_string().len() == *digits).unwrap();
    format!("{} {key}={value}\n", length(digits)).into_bytes()
}

fn described(line: &[u8], path: &[u8]) -> Vec<u8> {
    archive(|builder| {
        raw(builder, EntryType::XHeader, b"pax", line);
        raw(builder, EntryType::Regular, path, b"body");
    })
}

fn one(path: &[u8]) -> Vec<u8> {
    archive(|builder| raw(builder, EntryType::Regular, path, b"body"))
}

fn paths(archive: &[u8]) -> Result<Vec<(String, Kind, u64)>, Error> {
    let mut found = Vec::new();
    walk(archive, LIMITS, |member| {
        found.push((member.path.to_owned(), member.kind, member.size));
        Ok(())
    })?;
    Ok(found)
}

fn refusal(archive: &[u8]) -> String {
    Chain(&paths(archive).unwrap_err()).to_string()
}

#[test]
fn members_are_shown_in_order_under_their_plain_paths() {
    let long = format!("{}/file", "d".repeat(200));
    let archive = archive(|builder| {
        raw(builder, EntryType::Directory, b"./", b"");
        raw(builder, EntryType::Regular, b"./manifest.toml", b"12");
        raw(builder, EntryType::Regular, b"old/", b"");
        raw(builder, EntryType::Directory, b"bin/", b"");
        raw(builder, EntryType::Symlink, b"bin/link", b"");
        raw(builder, EntryType::Fifo, b"pipe", b"");
        builder.append_data(&mut header(EntryType::Regular, 3), &long, &b"abc"[..]).unwrap();
        raw(builder, EntryType::XHeader, b"pax", &[pax("path", "café/./x y"), pax("comment", "nothing")].concat());
        raw(builder, EntryType::Regular, b"short", b"z");
        raw(builder, EntryType::Regular, b"last", b"");
    });
    let file = |path: &str, size| (path.to_owned(), Kind::File, size);
    let other = |path: &str, kind| (path.to_owned(), kind, 0);
    let expected = [
        file("manifest.toml", 2),
        other("old", Kind::Directory),
        other("bin", Kind::Directory),
        other("bin/link", Kind::Link),
        other("pipe", Kind::Special),
        file(&long, 3),
        file("café/x y", 1),
        file("last", 0),
    ];
    assert_eq!(paths(&archive).unwrap(), expected);
}

#[test]
fn a_member_can_be_read_to_its_end_and_no_further_than_it_may() {
    let archive = one(b"a");
    let mut read = Vec::new();
    walk(&archive[..], LIMITS, |member| {
        read = member.read(4)?;
        Ok(())
    })
    .unwrap();
    assert_eq!(read, b"body");
    let error = walk(&archive[..], LIMITS, |member| member.read(3).map(drop)).unwrap_err();
    assert_eq!(error.to_string(), "a is longer than 3 bytes");
    let mut copied = Vec::new();
    walk(&archive[..], LIMITS, |member| member.copy(&mut copied)).unwrap();
    assert_eq!(copied, b"body");
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in [&b"/etc/passwd"[..], b"../x", b"a/../../x", b"a/..", b"..", b"\xff\xfe", b""] {
        assert!(matches!(paths(&one(path)), Err(Error::Path(_))), "{path:?}");
    }
    for hidden in ["../evil", "a\0b", "/etc"] {
        assert!(matches!(paths(&described(&pax("path", hidden), b"good")), Err(Error::Path(_))), "{hidden}");
    }
}

/// Tells whether one link leads out of its archive.
fn leads_out(kind: EntryType, path: &[u8], target: &[u8], description: Option<(EntryType, &[u8])>) -> bool {
    let archive = archive(|builder| {
        if let Some((kind, body)) = description {
            raw(builder, kind, b"description", body);
        }
        let mut header = header(kind, 0);
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        raw(builder, EntryType::Regular, b"next", b"");
    });
    let mut found = Vec::new();
    walk(&archive[..], LIMITS, |member| {
        found.push(member.leads_out());
        Ok(())
    })
    .unwrap();
    assert_eq!((found.len(), found[1]), (2, false), "a file leads nowhere");
    found[0]
}

#[test]
fn a_link_is_told_to_lead_out_or_to_stay() {
    for (kind, path, target, out) in [
        (EntryType::Symlink, "link", "file", false),
        (EntryType::Symlink, "a/b/link", "../../file", false),
        (EntryType::Symlink, "a/b/link", "../c/./..//../file", false),
        (EntryType::Symlink, "a/b/link", "../../../file", true),
        (EntryType::Symlink, "a/b/link", "../c/../../../file", true),
        (EntryType::Symlink, "./a//link", "..", false),
        (EntryType::Symlink, "./a//link", "../..", true),
        (EntryType::Symlink, "link", "..", true),
        (EntryType::Symlink, "link", "/etc", true),
        (EntryType::Symlink, "link", "", true),
        (EntryType::Link, "a/b/link", "file", false),
        (EntryType::Link, "a/b/link", "../file", true),
        (EntryType::Link, "a/b/link", "/file", true),
        (EntryType::Regular, "file", "/etc", false),
    ] {
        assert_eq!(leads_out(kind, path.as_bytes(), target.as_bytes(), None), out, "{kind:?} {path} {target}");
    }
    for (description, out) in [
        ((EntryType::GNULongLink, &b"../x\0"[..]), true),
        ((EntryType::GNULongLink, b"x\0"), false),
        ((EntryType::XHeader, &pax("linkpath", "../x")), true),
        ((EntryType::XHeader, &pax("linkpath", "a\0b")), true),
        ((EntryType::XHeader, &pax("linkpath", "x")), false),
    ] {
        let target: &[u8] = if out { b"x" } else { b"../x" };
        assert_eq!(leads_out(EntryType::Symlink, b"link", target, Some(description)), out, "{description:?}");
    }
}

#[test]
fn what_two_readers_may_see_differently_is_refused() {
    assert!(refusal(&described(&pax("size", "1"), b"a")).contains("a length in an extension"));
    assert!(refusal(&described(&pax("GNU.sparse.major", "1"), b"a")).contains("sparse"));
    assert!(refusal(&archive(|builder| raw(builder, EntryType::GNUSparse, b"a", b""))).contains("sparse"));
    let mut twice = one(b"a");
    twice.extend(one(b"b"));
    assert!(matches!(paths(&twice), Err(Error::Trailing)));
}

/// Writes descriptions, and perhaps a member behind them.
fn with_descriptions(descriptions: &[(EntryType, Vec<u8>)], member: Option<&[u8]>) -> Vec<u8> {
    archive(|builder| {
        descriptions.iter().for_each(|(kind, body)| raw(builder, *kind, b"description", body));
        member.iter().for_each(|path| raw(builder, EntryType::Regular, path, b"body"));
    })
}

#[test]
fn a_description_is_of_one_member_and_the_only_one() {
    let long = |path: &str| (EntryType::GNULongName, path.as_bytes().to_vec());
    let header = |key, value| (EntryType::XHeader, pax(key, value));
    let global = |key, value| (EntryType::XGlobalHeader, pax(key, value));
    let two_paths = (EntryType::XHeader, [pax("path", "x"), pax("path", "y")].concat());
    for (descriptions, reason) in [
        (vec![long("x"), long("y")], "one described twice"),
        (vec![two_paths], "one described twice"),
        (vec![long("x"), header("path", "y")], "one described twice"),
        (vec![header("comment", "x"), header("comment", "x")], "one described twice"),
        (vec![global("path", "x")], "a path for all that follow"),
        (vec![global("size", "1")], "a length in an extension"),
    ] {
        let refusal = refusal(&with_descriptions(&descriptions, Some(b"a")));
        assert!(refusal.ends_with(reason), "{descriptions:?}: {refusal}");
    }
    for description in [long("x"), header("comment", "x")] {
        assert!(refusal(&with_descriptions(&[description], None)).ends_with("a description of no member"));
    }
    let both = [global("comment", "x"), header("linkpath", "x"), long("b")];
    assert_eq!(paths(&with_descriptions(&both, Some(b"a"))).unwrap(), [("b".to_owned(), Kind::File, 4)]);
}

#[test]
fn a_description_in_a_header_of_no_known_format_is_refused() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader] {
        let archive = archive(|builder| {
            let mut header = header(kind, 0);
            header.as_ustar_mut().unwrap().magic = *b"eznot\0";
            header.set_cksum();
            builder.append(&header, &b""[..]).unwrap();
            raw(builder, EntryType::Regular, b"a", b"body");
        });
        assert!(refusal(&archive).ends_with("a description in an unknown format"), "{kind:?}");
    }
}

#[test]
fn everything_has_an_end() {
    let many = archive(|builder| (0..101).for_each(|_| raw(builder, EntryType::Regular, b"a", b"")));
    assert!(matches!(paths(&many), Err(Error::Members(100))));
    let big = archive(|builder| raw(builder, EntryType::Regular, b"a", &vec![0; 1 << 20]));
    assert!(matches!(paths(&big), Err(Error::Bytes(_))));
    let long_name = archive(|builder| {
        raw(builder, EntryType::GNULongName, b"././@LongLink", &[b'a'; 5000]);
        raw(builder, EntryType::Regular, b"a", b"");
    });
    assert!(matches!(paths(&long_name), Err(Error::LongPath)));
    let claims = archive(|builder| {
        let mut header = header(EntryType::GNULongName, 0);
        header.set_size(u64::MAX / 4);
        header.set_cksum();
        builder.append(&header, &b"a"[..]).unwrap();
    });
    assert!(paths(&claims).is_err());
    // Zeros without end after the last member.
    let archive = one(b"a");
    let endless = archive.chain(io::repeat(0));
    assert!(matches!(walk(endless, LIMITS, |_| Ok(())), Err(Error::Bytes(_))));
}

#[test]
fn broken_archives_are_refused_and_break_nothing() {
    let whole = one(b"a");
    for length in [1, 100, 511, 513, 515] {
        assert!(paths(&whole[..length]).is_err(), "{length}");
    }
    assert!(matches!(paths(b"<html>"), Err(Error::Read(_))));
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    assert!(refusal(&flipped).contains("checksum"));
    assert_eq!(paths(&whole[..1024]).unwrap().len(), 1, "an archive may lack its end");
    assert_eq!(paths(b"").unwrap(), []);
}
