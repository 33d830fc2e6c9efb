//! Mirrors of binaries: what a tree of files holds, listed directory by directory, whatever form its server lists it in.
//!
//! | form | a directory is read from |
//! |---|---|
//! | [`index`] | a page of links, as nginx, Apache and node's own server make them |
//! | [`releases`] | JSON of releases, as GitHub and Gitea make it: one directory a tag |
//! | [`bucket`] | XML of a bucket, as S3 and its like make it, page by page |
//! | [`hosted`] | a package's document: where its versions say that their builds are |
//!
//! What a directory was found to hold stands in the overlay, and is listed from there: upstream may be gone. A [`depot`] is
//! one mirror. Who [`browse`]s it has it listed as far as he asks; a [`walk`] lists all of it, and fetches what is new. Bytes
//! come through a [`tree`], which is a mount of files: its cache, its proofs, its limits, its blocks.
//!
//! Source: contract npm §16.

pub mod browse;
pub mod bucket;
pub mod depot;
pub mod hosted;
pub mod index;
pub mod listing;
pub mod releases;
pub mod tree;
pub mod walk;
