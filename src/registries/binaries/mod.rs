//! Mirrors of binaries: what a tree of files holds, listed directory by directory, whatever form its server lists it in.
//!
//! | form | a directory is read from |
//! |---|---|
//! | [`index`] | a page of links, as nginx, Apache and node's own server make them |
//! | [`releases`] | JSON of releases, as GitHub and Gitea make it: one directory a tag |
//! | [`bucket`] | XML of a bucket, as S3 and its like make it, page by page |
//! | [`hosted`] | a package's document: where its versions say that their builds are |
//!
//! Source: contract npm §16.

pub mod bucket;
pub mod hosted;
pub mod index;
pub mod listing;
pub mod releases;
