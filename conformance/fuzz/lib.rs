//! Runs every target with bolero: `./run`, or `cargo test` here for a second of random inputs each.
//!
//! The targets are tests of this crate, named as in `targets::ALL`, so that `cargo bolero test NAME` finds them.

#[cfg(test)]
mod targets;

#[cfg(test)]
mod fuzz {
    use super::targets;

    fn named(name: &str) -> targets::Target {
        let found = targets::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, target)| *target).expect("a target of this name")
    }

    macro_rules! fuzz {
        ($($name:ident)*) => {$(
            #[test]
            fn $name() {
                let target = named(stringify!($name));
                bolero::check!().for_each(|input: &[u8]| {
                    target(input);
                });
            }
        )*

        /// No target is forgotten here.
        #[test]
        fn every_target_is_fuzzed() {
            let fuzzed = [$(stringify!($name)),*];
            assert!(targets::ALL.iter().all(|(name, _)| fuzzed.contains(name)));
        }};
    }

    fuzz! {
        trailer manifest footer part record keyring config chunks_unsigned chunks_signed sigv4 request range conditions
        tagging copy_source dates xml_complete xml_delete xml_tagging xml_create_bucket
        upstream_head upstream_list upstream_parts upstream_uploads upstream_complete upstream_delete upstream_error
        upstream_chunked
    }
}
