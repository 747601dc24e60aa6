//! What every store of keys promises, and the bytes that are sealed.

use std::sync::atomic::{AtomicU8, Ordering};

use ledger_domain::{MetadataKey, Sealed, limits};

use super::*;

/// Different each time, as randomness is.
fn counted() -> [u8; 16] {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    [NEXT.fetch_add(1, Ordering::Relaxed); 16]
}

fn subject(ledger: &str, customer: &str) -> Subject {
    let (ledger, customer) = (LedgerName::parse(ledger), CustomerName::parse(customer));
    Subject { ledger: ledger.unwrap(), customer: customer.unwrap() }
}

fn name(text: &str) -> MetadataKey {
    MetadataKey::parse(text).unwrap()
}

/// What every store promises.
fn keeps_and_destroys(store: &Arc<dyn KeyStore>) {
    let keys = Keys::new(Arc::clone(store), counted);
    let (ann, bob) = (subject("bank", "ann"), subject("bank", "bob"));
    assert_eq!(store.find(&ann).unwrap(), Kept::Nothing);
    keys.sealer(&ann, false).unwrap();
    assert_eq!(store.find(&ann).unwrap(), Kept::Nothing, "a dry run keeps nothing");
    let (email, text) = (name("email"), "ann@example.org");
    let sealed = keys.sealer(&ann, true).unwrap().seal(&email, text);
    assert_eq!(
        keys.sealer(&ann, true).unwrap().seal(&email, text),
        sealed,
        "the same, by the same key"
    );
    assert_eq!(keys.opener(&ann).unwrap().open(&email, &sealed).as_deref(), Some(text));

    // Nobody else's, nothing else's.
    assert_ne!(keys.sealer(&bob, true).unwrap().seal(&email, text), sealed);
    assert_ne!(keys.sealer(&ann, true).unwrap().seal(&name("phone"), text), sealed);
    assert_eq!(keys.opener(&bob).unwrap().open(&email, &sealed), None);
    assert_eq!(keys.opener(&subject("shop", "ann")).unwrap().open(&email, &sealed), None);
    assert_eq!(keys.opener(&ann).unwrap().open(&name("phone"), &sealed), None);

    let kept = store.find(&ann).unwrap();
    store.keep(&ann, &[Key::of(counted)]).unwrap();
    assert_eq!(store.find(&ann).unwrap(), kept, "a customer has the key that it has");

    keys.erase(&ann).unwrap();
    keys.erase(&ann).unwrap();
    keys.erase(&subject("bank", "never-named")).unwrap();
    assert_eq!(store.find(&ann).unwrap(), Kept::Erased);
    assert_eq!(keys.opener(&ann).unwrap().open(&email, &sealed), None);
    let gone = keys.sealer(&ann, true).unwrap().seal(&email, text);
    assert_eq!(gone.as_bytes(), b"", "nothing of the text, and the same again");
    assert_eq!(store.find(&ann).unwrap(), Kept::Erased, "no other key is ever made");
    store.keep(&ann, &[Key::of(counted)]).unwrap();
    assert_eq!(store.find(&ann).unwrap(), Kept::Erased, "nor kept");
    assert!(matches!(store.find(&bob).unwrap(), Kept::Keys(_)), "nobody else's");
}

#[test]
fn keys_in_memory_are_kept_and_destroyed() {
    let store: Arc<dyn KeyStore> = Arc::new(MemoryKeys::default());
    keeps_and_destroys(&store);
}

#[test]
fn keys_in_a_folder_are_kept_and_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn KeyStore> = Arc::new(FolderKeys::new(folder.path().join("keys")));
    keeps_and_destroys(&store);
}

/// What is erased stays so, and what is there stays as it is.
#[test]
fn a_copy_has_all_keys_and_all_marks() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (MemoryKeys::default(), FolderKeys::new(folder.path().join("keys")));
    let (ann, bob, eve) = (subject("bank", "ann"), subject("bank", "bob"), subject("shop", "eve"));
    let several = [Key::of(counted), Key::of(counted)];
    from.keep(&ann, &several).unwrap();
    from.erase(&bob).unwrap();
    from.keep(&eve, &several[..1]).unwrap();
    to.erase(&eve).unwrap();
    for _ in 0..2 {
        assert_eq!(copy(&from, &to), Ok(3));
        assert_eq!(to.find(&ann).unwrap(), Kept::Keys(several.to_vec()));
        assert_eq!(to.find(&bob).unwrap(), Kept::Erased);
        assert_eq!(to.find(&eve).unwrap(), Kept::Erased);
    }
}

/// The bytes of a destroyed key are in no file, and the folder is readable by its owner alone.
#[test]
fn a_folder_has_nothing_of_a_destroyed_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = FolderKeys::new(folder.path().join("keys"));
    assert!(store.is_empty());
    let (ann, key) = (subject("bank", "ann"), Key::of(counted));
    store.keep(&ann, std::slice::from_ref(&key)).unwrap();
    let again = FolderKeys::new(folder.path().join("keys"));
    assert_eq!(again.find(&ann).unwrap(), Kept::Keys(vec![key]));
    let mut seen = Vec::new();
    let visited = again.each(&mut |subject, kept| {
        seen.push((subject.to_string(), kept));
        Ok(())
    });
    assert_eq!(visited, Ok(()));
    assert!(matches!(seen.as_slice(), [(name, Kept::Keys(_))] if name == "bank/ann"), "{seen:?}");

    again.erase(&ann).unwrap();
    let mut files = Vec::new();
    for shelf in std::fs::read_dir(folder.path().join("keys")).unwrap() {
        let shelf = shelf.unwrap();
        assert_eq!(shelf.metadata().unwrap().permissions().mode() & 0o77, 0);
        for file in std::fs::read_dir(shelf.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o77, 0);
            files.push(std::fs::read_to_string(file.path()).unwrap());
        }
    }
    assert_eq!(files, ["v1 bank/ann erased\n"]);
    assert_eq!(store.find(&ann).unwrap(), Kept::Erased, "other processes see it too");
}

#[test]
fn a_file_that_is_no_key_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderKeys::new(folder.path().to_owned());
    let (ann, bob) = (subject("bank", "ann"), subject("bank", "bob"));
    store.keep(&ann, &[Key::of(counted)]).unwrap();
    store.keep(&bob, &[Key::of(counted)]).unwrap();
    let mut files = Vec::new();
    for shelf in std::fs::read_dir(folder.path()).unwrap() {
        files
            .extend(std::fs::read_dir(shelf.unwrap().path()).unwrap().map(|it| it.unwrap().path()));
    }
    let texts: Vec<_> = files.iter().map(|it| std::fs::read_to_string(it).unwrap()).collect();
    let cut = texts[0][..texts[0].len() - 3].to_owned();
    for bad in ["", "v1", "v1 bank/ann xyz", &cut, &texts[0].replace("v1", "v9"), &texts[1]] {
        std::fs::write(&files[0], bad).unwrap();
        let of = if texts[0].contains("ann") { &ann } else { &bob };
        assert!(matches!(store.find(of), Err(KeyError::Damaged { .. })), "{bad}");
        // And can be destroyed all the same.
        assert_eq!(store.erase(of), Ok(true), "{bad}");
        assert_eq!((store.find(of), store.erase(of)), (Ok(Kept::Erased), Ok(false)), "{bad}");
    }
}

/// An erasure that ended after it had written over the key, and before the mark took its place, is one.
#[test]
fn an_erasure_that_ended_half_way_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderKeys::new(folder.path().to_owned());
    let ann = subject("bank", "ann");
    store.keep(&ann, &[Key::of(counted)]).unwrap();
    let shelf = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(&shelf).unwrap().next().unwrap().unwrap().path();
    let length = std::fs::metadata(&file).unwrap().len();
    // Nothing can take the file's place.
    let in_the_way = file.with_extension("new");
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(matches!(store.erase(&ann), Err(KeyError::Unavailable { .. })));
    assert_eq!(std::fs::metadata(&file).unwrap().len(), length, "over all of the key");
    assert_eq!(store.find(&ann), Ok(Kept::Erased));
    let mut seen = Vec::new();
    let visited = store.each(&mut |_, kept| {
        seen.push(kept);
        Ok(())
    });
    assert_eq!(visited, Ok(()));
    assert_eq!(seen, [Kept::Erased]);
}

/// docs/formats.md.
#[test]
fn the_bytes_of_a_sealed_value_are_fixed() {
    let key = Key::of(|| [7; 16]);
    let sealer = Sealer::new(Some(key.clone()), &subject("bank", "c-1"));
    let sealed = sealer.seal(&name("email"), "ann@example.org");
    let hex: String = sealed.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "7cc3fdb1b09ff94339725f964f7003408b87d8ed88c7f1def00436720ce995089b38a876e5687f"
    );
    let opener = Opener::new(vec![Key::of(|| [8; 16]), key], &subject("bank", "c-1"));
    assert_eq!(opener.open(&name("email"), &sealed).as_deref(), Some("ann@example.org"));
    for at in 0..sealed.as_bytes().len() {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[at] ^= 1;
        assert_eq!(opener.open(&name("email"), &Sealed::from_bytes(&bytes)), None, "byte {at}");
    }
    assert_eq!(opener.open(&name("email"), &Sealed::from_bytes(&[])), None);
    let longest = sealer.seal(&name("email"), &"x".repeat(limits::METADATA_VALUE_BYTES_MAX));
    assert!(longest.as_bytes().len() <= limits::SEALED_BYTES_MAX);
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", Kept::Keys(vec![Key::of(counted)])), "Keys([Key(..)])");
}
