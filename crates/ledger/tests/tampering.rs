//! What is changed, dropped, moved or added is found, whatever it is.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use shuyu_ledger::{
    Audit, Bundle, BundleError, Checkpoint, CheckpointError, ConsistencyProof, Fault, Frontier,
    HashSuite, InclusionProof, LogReader, MAX_ENTRY_BYTES, Node, NodeHash, NoteError, Plan,
    ProofError, SignedNote, Signer, Tile, TileContent, TileSet, Tree, Verifier, verify_log,
};

const ORIGIN: &str = "city.example/log";

fn signer(seed: u8) -> Signer {
    Signer::ed25519(ORIGIN, &[seed; 32]).unwrap()
}

fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|index| format!("entry {index}").into_bytes()).collect()
}

fn tree(suite: HashSuite, entries: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new(suite);
    for entry in entries {
        tree.append_entry(entry);
    }
    tree
}

fn suite() -> impl Strategy<Value = HashSuite> {
    prop_oneof![Just(HashSuite::Sha256), Just(HashSuite::Sm3)]
}

/// The files of a log, by path.
#[derive(Clone)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn of(suite: HashSuite, entries: &[Vec<u8>]) -> Self {
        let size = entries.len() as u64;
        let tree = tree(suite, entries);
        let mut files = BTreeMap::new();
        for tile in Tile::all(size) {
            files.insert(tile.to_string(), tree.tile(tile).unwrap().to_bytes());
        }
        for (bundle, group) in Bundle::all(size).zip(entries.chunks(256)) {
            let bytes = Bundle::encode(group.iter().map(Vec::as_slice)).unwrap();
            files.insert(bundle.to_string(), bytes);
        }
        Self(files)
    }
}

impl LogReader for Files {
    type Error = Fault;
    fn tile(&mut self, tile: Tile) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.get(&tile.to_string()).cloned())
    }
    fn bundle(&mut self, bundle: Bundle) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.get(&bundle.to_string()).cloned())
    }
}

fn checkpoint(tree: &Tree, size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, tree.root_at(size).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_leaf_is_proved_and_no_flipped_bit_passes(
        suite in suite(), size in 1_u64..600, at in any::<prop::sample::Index>(), bit in 0_u32..8,
        place in any::<prop::sample::Index>(),
    ) {
        let entries = entries(size);
        let tree = tree(suite, &entries);
        let index = at.index(entries.len()) as u64;
        let leaf = suite.leaf(&entries[at.index(entries.len())]);
        let root = tree.root_at(size).unwrap();
        let proof = tree.prove_inclusion(index, size).unwrap();
        prop_assert_eq!(proof.verify(suite, &leaf, &root), Ok(()));

        // One bit anywhere in leaf, path or root.
        let mut hashes = vec![leaf];
        hashes.extend(&proof.path);
        hashes.push(root);
        let flip = place.index(hashes.len() * 32);
        hashes[flip / 32].0[flip % 32] ^= 1 << bit;
        let path = hashes[1..hashes.len() - 1].to_vec();
        let changed = InclusionProof { path, ..proof.clone() };
        prop_assert_eq!(
            changed.verify(suite, &hashes[0], &hashes[hashes.len() - 1]),
            Err(ProofError::Root)
        );

        // Another place, one hash more, one less.
        if let Ok(other) = tree.prove_inclusion((index + 1) % size, size) && size > 1 {
            prop_assert!(other.verify(suite, &leaf, &root).is_err());
        }
        let moved = InclusionProof { index: (index + 1) % size, ..proof.clone() };
        prop_assert!(size == 1 || moved.verify(suite, &leaf, &root).is_err());
        let mut longer = proof.clone();
        longer.path.push(root);
        prop_assert_eq!(longer.verify(suite, &leaf, &root), Err(ProofError::Length));
        let mut shorter = proof;
        if shorter.path.pop().is_some() {
            prop_assert_eq!(shorter.verify(suite, &leaf, &root), Err(ProofError::Length));
        }
    }

    #[test]
    fn any_two_sizes_are_consistent_and_no_flipped_bit_passes(
        suite in suite(), sizes in (0_u64..600, 0_u64..600), bit in 0_u32..8,
        place in any::<prop::sample::Index>(),
    ) {
        let (old, new) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
        let tree = tree(suite, &entries(new));
        let (before, after) = (tree.root_at(old).unwrap(), tree.root_at(new).unwrap());
        let proof = tree.prove_consistency(old, new).unwrap();
        prop_assert_eq!(proof.verify(suite, &before, &after), Ok(()));

        // From the empty tree nothing binds the later root, so there only the earlier is flipped.
        let mut hashes = vec![before];
        hashes.extend(&proof.path);
        if old > 0 {
            hashes.push(after);
        }
        let flip = place.index(hashes.len() * 32);
        hashes[flip / 32].0[flip % 32] ^= 1 << bit;
        let after = if old > 0 { hashes.pop().unwrap() } else { after };
        let changed = ConsistencyProof { path: hashes[1..].to_vec(), ..proof.clone() };
        prop_assert_eq!(changed.verify(suite, &hashes[0], &after), Err(ProofError::Root));
        prop_assert_eq!(
            ConsistencyProof::plan(new + 1, new).unwrap_err(),
            ProofError::Shrunk { old: new + 1, new }
        );
    }

    #[test]
    fn another_history_is_not_consistent(old in 1_u64..300, more in 1_u64..300, at in any::<prop::sample::Index>()) {
        let suite = HashSuite::Sha256;
        let mut entries = entries(old + more);
        let before = tree(suite, &entries).root_at(old).unwrap();
        entries[at.index(usize::try_from(old).unwrap())].push(b'!');
        let other = tree(suite, &entries);
        let proof = other.prove_consistency(old, old + more).unwrap();
        let after = other.root_at(old + more).unwrap();
        prop_assert_eq!(proof.verify(suite, &before, &after), Err(ProofError::Root));
    }

    #[test]
    fn proofs_from_the_planned_tiles_are_those_of_the_tree(
        size in 1_u64..70_000, at in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(),
    ) {
        let suite = HashSuite::Sha256;
        let tree = big_tree();
        let (index, old) = (at.index(70_000) as u64 % size, old.index(70_000) as u64 % size);
        let load = |plan: &Plan| {
            let mut set = TileSet::new(suite);
            for tile in plan.tiles(size) {
                let bytes = tree.tile(tile).unwrap().to_bytes();
                set.insert(TileContent::parse(tile, &bytes).unwrap());
            }
            set
        };
        let set = load(&InclusionProof::plan(index, size).unwrap());
        prop_assert_eq!(
            InclusionProof::generate(suite, index, size, |node| set.node(node)),
            tree.prove_inclusion(index, size)
        );
        let set = load(&ConsistencyProof::plan(old, size).unwrap());
        prop_assert_eq!(
            ConsistencyProof::generate(suite, old, size, |node| set.node(node)),
            tree.prove_consistency(old, size)
        );
        let set = load(&Plan::root(size));
        prop_assert_eq!(
            Plan::root(size).resolve(suite, |node| set.node(node)),
            tree.root_at(size).map(|root| vec![root])
        );
        let empty = TileSet::new(suite);
        prop_assert_eq!(empty.node(Node::leaf(0)), Err(ProofError::Missing(Node::leaf(0))));
    }

    #[test]
    fn a_changed_byte_in_any_file_is_found(
        size in 1_u64..1500, file in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(), change in 1_u8..=255,
    ) {
        let suite = HashSuite::Sha256;
        let entries = entries(size);
        let tree = tree(suite, &entries);
        let mut files = Files::of(suite, &entries);
        let whole = [checkpoint(&tree, size)];
        prop_assert_eq!(verify_log(suite, &mut files, whole.clone()).unwrap().size(), size);

        let path = files.0.keys().nth(file.index(files.0.len())).unwrap().clone();
        let bytes = files.0.get_mut(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let found = verify_log(suite, &mut files, whole).unwrap_err();
        if path.starts_with("tile/0/") {
            let tile: Tile = path.parse().unwrap();
            let index = tile.index * 256 + place as u64 / 32;
            prop_assert_eq!(found, Fault::LeafDiffers { index });
        } else if let Ok(bundle) = path.parse::<Bundle>() {
            // Where a length was changed the entries after it are read askew.
            let group = bundle.first_leaf()..bundle.first_leaf() + u64::from(bundle.width);
            let index = match found {
                Fault::LeafDiffers { index } | Fault::LeafMissing { index } | Fault::LeafFollowed { index } => index,
                other => panic!("{other}"),
            };
            prop_assert!(group.contains(&index));
        } else {
            prop_assert!(matches!(found, Fault::TileDiffers { .. }), "{found}");
        }
    }

    #[test]
    fn the_first_changed_entry_is_named(size in 2_u64..1500, at in prop::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let suite = HashSuite::Sha256;
        let mut entries = entries(size);
        let tree = tree(suite, &entries);
        let tiles = Files::of(suite, &entries);
        let places: Vec<_> = at.iter().map(|at| at.index(entries.len())).collect();
        for place in &places {
            entries[*place] = b"something else".to_vec();
        }
        let mut files = Files::of(suite, &entries);
        files.0.extend(tiles.0.into_iter().filter(|(path, _)| path.parse::<Tile>().is_ok()));
        let index = *places.iter().min().unwrap() as u64;
        prop_assert_eq!(
            verify_log(suite, &mut files, [checkpoint(&tree, size)]).unwrap_err(),
            Fault::LeafDiffers { index }
        );
    }

    #[test]
    fn a_log_rewritten_with_all_its_tiles_is_placed_between_checkpoints(
        size in 3_u64..1000, at in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let suite = HashSuite::Sha256;
        let mut entries = entries(size);
        let tree = tree(suite, &entries);
        let mut sizes: Vec<_> = cuts.iter().map(|cut| cut.index(entries.len()) as u64).collect();
        sizes.push(size);
        let known: Vec<_> = sizes.iter().map(|size| checkpoint(&tree, *size)).collect();
        let place = at.index(entries.len());
        entries[place].push(b'!');
        let place = place as u64;
        let found = verify_log(suite, &mut Files::of(suite, &entries), known).unwrap_err();
        let after = *sizes.iter().filter(|size| **size > place).min().unwrap();
        let before = sizes.iter().copied().filter(|size| *size <= place).max().unwrap_or(0);
        prop_assert_eq!(found, Fault::RootDiffers { size: after, agreed: before });
    }

    #[test]
    fn whatever_is_read_or_verified_nothing_panics(
        text in "(tile/)?[-+x0-9a-z/.\u{2014} \n=]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..100),
        sizes in (any::<u64>(), any::<u64>()), length in 0_usize..130, width in any::<u16>(), level in any::<u8>(),
    ) {
        let _ = text.parse::<SignedNote>();
        let _ = text.parse::<Checkpoint>();
        let _ = text.parse::<Verifier>();
        let _ = text.parse::<Bundle>();
        let _ = Signer::from_secret_text(&text);
        if let Ok(tile) = text.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), text);
        }
        let tile = Tile { level, index: sizes.0, width };
        prop_assert_eq!(tile.nodes().count(), usize::from(width));
        let _ = Tile::at(level, sizes.0, sizes.1);
        let _ = Tile::holding(Node { level, index: sizes.0 }, sizes.1);
        let _ = TileContent::parse(tile, &bytes);
        let _ = Bundle { index: sizes.0, width }.decode(&bytes);
        let _ = Node { level, index: sizes.0 }.leaves();
        let _ = Frontier::from_bytes(HashSuite::Sha256, &bytes);

        let suite = HashSuite::Sha256;
        let hash = suite.leaf(&bytes);
        let path = vec![hash; length];
        let (index, size) = sizes;
        let proof = InclusionProof { index, size, path: path.clone() };
        prop_assert!(proof.verify(suite, &hash, &hash).is_err());
        let proof = ConsistencyProof { old: index, new: size, path };
        prop_assert!(proof.verify(suite, &hash, &hash).is_err() || index == size);
        for plan in [InclusionProof::plan(index, size), ConsistencyProof::plan(index, size)] {
            let missing = |node| Err::<NodeHash, _>(ProofError::Missing(node));
            let nothing = plan.and_then(|plan| plan.resolve(suite, missing));
            prop_assert!(nothing.is_err() || nothing.is_ok_and(|path| path.is_empty()));
        }
    }

    #[test]
    fn dropping_moving_and_adding_are_found(size in 2_u64..600, at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let suite = HashSuite::Sha256;
        let whole = entries(size);
        let tree = tree(suite, &whole);
        let audit = |entries: &[Vec<u8>]| {
            let mut audit = Audit::new(suite, [checkpoint(&tree, size)])?;
            for entry in entries {
                audit.entry(entry)?;
            }
            audit.finish().map(|frontier| frontier.size())
        };
        prop_assert_eq!(audit(&whole), Ok(size));

        let mut dropped = whole.clone();
        dropped.remove(at.index(whole.len()));
        prop_assert_eq!(audit(&dropped), Err(Fault::LeafMissing { index: size - 1 }));

        let (at, to) = (at.index(whole.len()), to.index(whole.len()));
        let mut moved = whole.clone();
        moved.swap(at, to);
        let expected = if at == to { Ok(size) } else { Err(Fault::RootDiffers { size, agreed: 0 }) };
        prop_assert_eq!(audit(&moved), expected);

        let mut added = whole.clone();
        added.push(b"one more".to_vec());
        prop_assert_eq!(audit(&added), Err(Fault::LeafUnsigned { index: size }));
    }
}

#[test]
fn an_entry_is_compared_with_what_was_recorded_of_it() {
    let suite = HashSuite::Sm3;
    let tree = tree(suite, &entries(3));
    let mut audit = Audit::new(suite, [checkpoint(&tree, 3), checkpoint(&tree, 0)]).unwrap();
    let recorded = |index| tree.node(Node::leaf(index)).unwrap();
    assert_eq!(audit.recorded_entry(b"entry 0", &recorded(0)), Ok(()));
    assert_eq!(
        audit.recorded_entry(b"entry one", &recorded(1)),
        Err(Fault::LeafDiffers { index: 1 })
    );
    assert_eq!(audit.recorded_entry(b"entry 1", &recorded(1)), Ok(()));
    assert_eq!(audit.finish().unwrap_err(), Fault::LeafMissing { index: 2 });

    let wrong = Checkpoint::new(ORIGIN, 0, recorded(0));
    assert_eq!(Audit::new(suite, [wrong]).unwrap_err(), Fault::RootDiffers { size: 0, agreed: 0 });
}

#[test]
fn entries_too_long_for_a_bundle_are_refused_and_others_read_back() {
    let longest = vec![7; MAX_ENTRY_BYTES];
    let bytes = Bundle::encode([&b""[..], &longest, b"x"]).unwrap();
    let bundle = Bundle { index: 0, width: 3 };
    assert_eq!(bundle.decode(&bytes), Ok(vec![&b""[..], &longest, b"x"]));
    for length in 0..bytes.len() {
        let position = usize::from(length >= 2) + usize::from(length >= 4 + MAX_ENTRY_BYTES);
        assert_eq!(bundle.decode(&bytes[..length]), Err(BundleError::Truncated { position }));
    }
    assert_eq!(
        Bundle { width: 2, ..bundle }.decode(&bytes),
        Err(BundleError::Trailing { length: 3 })
    );
    let length = MAX_ENTRY_BYTES + 1;
    assert_eq!(
        Bundle::encode([&b"x"[..], &vec![0; length]]),
        Err(BundleError::TooLong { position: 1, length })
    );
}

fn big_tree() -> &'static Tree {
    static TREE: std::sync::OnceLock<Tree> = std::sync::OnceLock::new();
    TREE.get_or_init(|| tree(HashSuite::Sha256, &entries(70_000)))
}

#[test]
fn a_log_of_three_levels_is_verified_and_a_missing_file_is_named() {
    let suite = HashSuite::Sha256;
    let entries = entries(66_000);
    let files = Files::of(suite, &entries);
    let known = [checkpoint(big_tree(), 66_000)];
    assert!(verify_log(suite, &mut files.clone(), known.clone()).is_ok());

    let check = |path: &str, expected: Fault| {
        let mut files = files.clone();
        files.0.remove(path).unwrap();
        assert_eq!(verify_log(suite, &mut files, known.clone()).unwrap_err(), expected);
    };
    let tile = |path: &str| Fault::TileMissing { tile: path.parse().unwrap() };
    check("tile/0/017", tile("tile/0/017"));
    check("tile/1/001.p/1", tile("tile/1/001.p/1"));
    check("tile/2/000.p/1", tile("tile/2/000.p/1"));
    check("tile/entries/100", Fault::LeafMissing { index: 25_600 });
}

#[test]
fn no_byte_of_a_signed_checkpoint_can_be_changed() {
    let signer = signer(1);
    let known = [signer.verifier().clone()];
    let checkpoint = Checkpoint::new(ORIGIN, 12, HashSuite::Sha256.leaf(b"x"));
    let note = checkpoint.sign(&[&signer]).unwrap().to_string();
    assert_eq!(Checkpoint::open(&note, ORIGIN, &known), Ok(checkpoint));
    for place in 0..note.len() {
        for change in 1..=255 {
            let mut bytes = note.as_bytes().to_vec();
            bytes[place] ^= change;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(Checkpoint::open(&text, ORIGIN, &known).is_err(), "{text}");
            }
        }
        let (start, end) = note.as_bytes().split_at(place);
        for bytes in [start, &[start, b"\n", end].concat(), &[start, &end[1..]].concat()] {
            if let Ok(text) = String::from_utf8(bytes.to_vec()) {
                assert!(Checkpoint::open(&text, ORIGIN, &known).is_err(), "{text}");
            }
        }
    }
}

#[test]
fn unknown_signatures_are_passed_over_and_wrong_ones_refuse_the_note() {
    let (log, witness, stranger) = (signer(1), signer(2), signer(3));
    let known: Vec<Verifier> = vec![log.verifier().clone(), witness.verifier().clone()];
    let checkpoint = Checkpoint::new(ORIGIN, 1, HashSuite::Sha256.leaf(b"x"));
    let note = checkpoint.sign(&[&stranger, &log, &witness]).unwrap();
    assert_eq!(note.verify(&known).unwrap().1, [&known[0], &known[1]]);
    assert_eq!(note.verify(&known[1..]).unwrap().1, [&known[1]]);
    assert_eq!(note.verify(&[signer(4).verifier().clone()]), Err(NoteError::Unsigned));

    // The stranger's signature under the witness's id.
    let other = Checkpoint::new(ORIGIN, 2, checkpoint.root);
    let forged =
        other.sign(&[&log]).unwrap().to_string() + note.to_string().lines().last().unwrap() + "\n";
    assert_eq!(
        Checkpoint::open(&forged, ORIGIN, &known),
        Err(CheckpointError::Note(NoteError::Wrong(ORIGIN.into())))
    );
    assert_eq!(
        Checkpoint::open(&forged, ORIGIN, &known[..1]),
        Ok(other),
        "to one who does not know the witness its signature says nothing"
    );
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let log = signer(1);
    let note = Checkpoint::new("other.example", 0, HashSuite::Sha256.empty())
        .sign(&[&log])
        .unwrap()
        .to_string();
    let known = [log.verifier().clone()];
    assert!(Checkpoint::open(&note, "other.example", &known).is_ok());
    assert_eq!(
        Checkpoint::open(&note, ORIGIN, &known),
        Err(CheckpointError::Origin { expected: ORIGIN.into(), found: "other.example".into() })
    );
}

#[test]
fn texts_that_are_no_checkpoint_are_refused() {
    let root = HashSuite::Sha256.empty();
    let good = format!("{ORIGIN}\n10\n{root}\nextension\n");
    assert_eq!(good.parse::<Checkpoint>().unwrap().to_string(), good);
    for text in [
        String::new(),
        "\n".into(),
        format!("{ORIGIN}\n10\n{root}"),
        format!("{ORIGIN}\n010\n{root}\n"),
        format!("{ORIGIN}\n+10\n{root}\n"),
        format!("{ORIGIN}\n-1\n{root}\n"),
        format!("{ORIGIN}\n\n{root}\n"),
        format!("\n10\n{root}\n"),
        format!("{ORIGIN}\n10\n{root}\n\n"),
        format!("{ORIGIN}\n10\nAAAA\n"),
        format!("{ORIGIN}\n99999999999999999999\n{root}\n"),
    ] {
        assert_eq!(text.parse::<Checkpoint>(), Err(CheckpointError::Form), "{text:?}");
    }
    let broken = Checkpoint::new("two\nlines", 1, root);
    assert_eq!(broken.sign(&[&signer(1)]).unwrap_err(), CheckpointError::Form);
    for name in ["", "a b", "a+b", "a\u{3000}b", "a\nb"] {
        assert!(Signer::ed25519(name, &[0; 32]).is_err(), "{name:?}");
    }
    for text in ["no newline", "tab\t\n", ""] {
        assert_eq!(SignedNote::sign(text, &[&signer(1)]), Err(NoteError::Text), "{text:?}");
    }
}
