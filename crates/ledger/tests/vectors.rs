//! Published test vectors: the reference trees of Certificate Transparency, the example notes
//! of C2SP and of Go's `sumdb/note`, and the tile layout's own examples.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use shuyu_ledger::{
    Bundle, Checkpoint, ConsistencyProof, Frontier, HashSuite, InclusionProof, Node, NodeHash,
    NoteError, SignedNote, Signer, Tile, Tree, Verifier,
};

const SUITE: HashSuite = HashSuite::Sha256;

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hash(text: &str) -> NodeHash {
    NodeHash::try_from(hex::decode(text).unwrap().as_slice()).unwrap()
}

fn tree() -> Tree {
    let mut tree = Tree::new(SUITE);
    for leaf in LEAVES {
        tree.append_entry(&hex::decode(leaf).unwrap());
    }
    tree
}

#[test]
fn roots_are_those_of_the_reference_tree() {
    let mut frontier = Frontier::new(SUITE);
    let tree = tree();
    for (size, root) in (0..).zip(ROOTS) {
        assert_eq!(frontier.root(), hash(root), "{size} leaves");
        assert_eq!(tree.root_at(size), Ok(hash(root)), "{size} leaves");
        if let Some(leaf) = LEAVES.get(usize::try_from(size).unwrap()) {
            frontier.append_entry(&hex::decode(leaf).unwrap());
        }
    }
}

#[test]
fn inclusion_proofs_are_those_of_the_reference_tree() {
    let check = |index, size: u64, path: &[&str]| {
        let proof = InclusionProof { index, size, path: path.iter().copied().map(hash).collect() };
        assert_eq!(tree().prove_inclusion(index, size).as_ref(), Ok(&proof));
        let at = |at: u64| usize::try_from(at).unwrap();
        let leaf = SUITE.leaf(&hex::decode(LEAVES[at(index)]).unwrap());
        assert_eq!(proof.verify(SUITE, &leaf, &hash(ROOTS[at(size)])), Ok(()));
    };
    check(0, 1, &[]);
    check(
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(2, 3, &[ROOTS[2]]);
    check(
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn consistency_proofs_are_those_of_the_reference_tree() {
    let check = |old: u64, new: u64, path: &[&str]| {
        let proof = ConsistencyProof { old, new, path: path.iter().copied().map(hash).collect() };
        assert_eq!(tree().prove_consistency(old, new).as_ref(), Ok(&proof));
        let root = |size: u64| hash(ROOTS[usize::try_from(size).unwrap()]);
        assert_eq!(proof.verify(SUITE, &root(old), &root(new)), Ok(()));
    };
    check(1, 1, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_note_of_the_reference_implementation_is_signed_alike_and_verifies() {
    let signer = Signer::from_secret_text(PETER_SECRET).unwrap();
    let known: [Verifier; 1] = [PETER.parse().unwrap()];
    assert_eq!(signer.verifier().to_string(), PETER);

    let note: SignedNote = PETER_NOTE.parse().unwrap();
    let (text, by) = note.verify(&known).unwrap();
    assert_eq!(by, [&known[0]]);
    assert_eq!(SignedNote::sign(text, &[&signer]).unwrap().to_string(), PETER_NOTE);
}

#[test]
fn a_mangled_key_is_no_key() {
    for start in 0..PETER.len() {
        for end in start..=PETER.len() {
            if (start, end) != (0, PETER.len()) {
                assert!(PETER[start..end].parse::<Verifier>().is_err());
            }
        }
    }
    for at in 0..PETER.len() {
        let mut bytes = PETER.as_bytes().to_vec();
        bytes[at] += 1;
        assert!(String::from_utf8(bytes).unwrap().parse::<Verifier>().is_err());
    }
    // A key of a wrong length and one of an unknown algorithm, with the hash adjusted.
    for text in [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(text.parse::<Verifier>().is_err());
    }
}

#[test]
fn the_example_notes_of_c2sp_are_read() {
    let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
        ed \u{e8} subito sera.\n\n\
        \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let read: SignedNote = note.parse().unwrap();
    assert_eq!(read.to_string(), note);
    assert!(read.text().ends_with("\n\ned \u{e8} subito sera.\n"));
    assert_eq!(read.signatures()[0].name, "quasimodo.example/salvatore");
    assert_eq!(read.verify(&[PETER.parse().unwrap()]), Err(NoteError::Unsigned));

    let note = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let read: SignedNote = note.parse().unwrap();
    let checkpoint: Checkpoint = read.text().parse().unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(checkpoint.to_string(), read.text());
}

#[test]
fn tiles_of_70000_leaves_are_those_of_the_specification() {
    let tiles: Vec<_> = Tile::all(70_000).collect();
    let count = |level, width: u16| {
        let is = |tile: &&Tile| tile.level == level && tile.width == width;
        tiles.iter().filter(is).count()
    };
    assert_eq!([count(0, 256), count(0, 112)], [273, 1]);
    assert_eq!([count(1, 256), count(1, 17), count(2, 1)], [1, 1, 1]);
    assert_eq!(tiles.len(), 277);
    let two: Vec<_> = Tile::all(256).map(|tile| tile.to_string()).collect();
    assert_eq!(two, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(Bundle::all(70_000).count(), 274);
}

#[test]
fn paths_are_written_and_read_as_the_specification_says() {
    for (path, level, index, width) in [
        ("tile/0/x001/x234/067", 0, 1_234_067, 256),
        ("tile/1/000.p/17", 1, 0, 17),
        ("tile/63/x001/000.p/255", 63, 1000, 255),
    ] {
        let tile = Tile { level, index, width };
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
    assert_eq!("tile/entries/x123/456.p/7".parse(), Ok(Bundle { index: 123_456, width: 7 }));
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/000/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/-01",
        "tile/0/x001/x001",
        "tile/0/1000",
        "tile/entries/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "/tile/0/000",
        "tile/0/\u{4e00}",
    ] {
        assert!(path.parse::<Tile>().is_err(), "{path}");
    }
}

#[test]
fn a_node_stands_for_its_leaves() {
    assert_eq!(Node { level: 3, index: 2 }.leaves(), 16..24);
    let covering = Node::covering(0..7);
    let levels: Vec<_> = covering.iter().map(|node| node.level).collect();
    assert_eq!(levels, [2, 1, 0]);
}
