//! What the vault keeps apart, and that no step of a rekey loses a secret.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::model::{
    checkout::{Ask, Checkout, Place as WhereTo},
    ids::{CheckoutId, Code, PersonId, PolicyId, TargetId, UserId},
    permit::{Permit, Purpose, authorize},
    policy::{Policy, Terms},
    principal::{Principal, Proof, Role, Scope},
    target::{Account, Protocol, SecretKind, Target},
    text::Text,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

fn account(number: u8) -> AccountId {
    AccountId::new(NOW, [number; 10])
}

fn vault_in(folder: &Path) -> Vault {
    open(SecretSource::File(folder.join("vault.key"))).unwrap()
}

fn open(key: SecretSource) -> Result<Vault, VaultError> {
    Vault::open(&VaultConfig { key })
}

fn root(id: &AccountId) -> Account {
    Account {
        id: id.clone(),
        name: "root".parse().unwrap(),
        login: "root".to_owned(),
        targets: vec!["db1".parse().unwrap()],
        policy: None,
        secret: Some(SecretKind::Password),
        description: Text::default(),
        disabled: false,
        created_at: NOW,
    }
}

/// Alice, who has checked this account out.
fn checked_out(account: &AccountId) -> (Principal, WhereTo, Checkout) {
    let user = UserId::new(NOW, [1; 10]);
    let alice = Principal {
        person: PersonId::from(&user),
        user,
        name: "alice".parse().unwrap(),
        vouched_by: Default::default(),
        roles: Role::ALL.into_iter().collect(),
        groups: Default::default(),
        scopes: Scope::ALL.into_iter().collect(),
        proof: Proof::Password,
        factor_at: None,
    };
    let target = Target {
        id: TargetId::new(NOW, [2; 10]),
        name: "db1".parse().unwrap(),
        protocol: Protocol::Ssh,
        address: "127.0.0.1:22".parse().unwrap(),
        host_keys: Vec::new(),
        web: None,
        rdp: None,
        policy: None,
        description: Text::default(),
        labels: Vec::new(),
        disabled: false,
        created_at: NOW,
    };
    let account = root(account);
    let terms = Terms {
        approvals: Vec::new(),
        ..Terms::default()
    };
    let policy = Policy {
        id: PolicyId::new(NOW, [3; 10]),
        name: "default".parse().unwrap(),
        description: Text::default(),
        is_default: true,
        terms,
    };
    let ask = Ask {
        reason: "disk is full".parse().unwrap(),
        ticket: Some("CHG0012345".parse().unwrap()),
        ..Ask::default()
    };
    let place = WhereTo {
        target,
        account,
        policy,
    };
    let id = CheckoutId::new(NOW, [4; 10]);
    let checkout = Checkout::request(id, Code::new(4, [4; 10]), ask, &alice, &place, NOW).unwrap();
    (alice, place, checkout)
}

fn permit_for(account: &AccountId) -> Permit {
    let (alice, place, checkout) = checked_out(account);
    let WhereTo {
        target, account, ..
    } = &place;
    authorize(Purpose::Connect, &alice, &checkout, target, account, 0, NOW).unwrap()
}

#[test]
fn a_one_time_secret_is_that_of_its_check_out_and_lives_as_long_as_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let (.., checkout) = checked_out(&account(1));
    let shown = |checkout: &Checkout| vault.one_time(checkout).unwrap().expose(str::to_owned);
    let first = shown(&checkout);
    assert_eq!(shown(&checkout), first);
    let other = Checkout {
        id: CheckoutId::new(NOW, [5; 10]),
        ..checkout.clone()
    };
    let of_other_user = Checkout {
        requester: UserId::new(NOW, [9; 10]),
        ..checkout.clone()
    };
    let (.., of_other_account) = checked_out(&account(2));
    for changed in [&other, &of_other_user, &of_other_account] {
        assert_ne!(shown(changed), first);
    }
    vault.add_key().unwrap();
    let second = shown(&checkout);
    let taken = || -> Vec<String> {
        let all = vault.one_times(&checkout).unwrap();
        all.iter().map(|one| one.expose(str::to_owned)).collect()
    };
    assert_eq!(taken(), [second.clone(), first]);
    vault.retire_keys(&Default::default()).unwrap();
    assert_eq!(taken(), [second]);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = vault_in(elsewhere.path()).one_time(&checkout).unwrap();
    assert!(!taken().contains(&other.expose(str::to_owned)));
}

#[test]
fn what_is_sealed_comes_back_and_is_nowhere_in_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    proptest!(|(secret in proptest::collection::vec(any::<u8>(), 1..300))| {
        let sealed = vault.seal(&account(1), SecretField::Password, &secret).unwrap();
        let opened = vault.unseal(&account(1), SecretField::Password, &sealed).unwrap();
        prop_assert_eq!(opened.bytes(), &secret);
        if secret.len() >= 8 {
            let found = |row: &[u8]| row.windows(secret.len()).any(|part| part == secret);
            prop_assert!(!found(&sealed.ciphertext) && !found(&sealed.wrapped_key));
        }
    });
}

#[test]
fn the_authority_vouches_for_one_account_and_no_longer_than_the_permit() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let (public, sealed) = vault.make_authority().unwrap();
    let (one, other) = (account(1), account(2));
    let permit = permit_for(&one);
    let claims = |until| Claims {
        serial: 7,
        key_id: "check-out 7K3F".to_owned(),
        source: Some([10, 0, 0, 7].into()),
        from: NOW,
        until,
        extensions: vec!["permit-pty"],
    };
    let subject = vault.make_authority().unwrap().0;
    let late = Timestamp::from_millis(permit.until().millis() + 60_000);
    let certify = |sealed: &WrappedKey, account: &Account| {
        vault.certify(&permit, account, sealed, &subject, claims(late))
    };
    let signed = certify(&sealed, &root(&one)).unwrap();
    let seconds = |time: Timestamp| time.millis() as u64 / 1000;
    assert_eq!(signed.valid_principals(), ["root"]);
    assert_eq!(signed.valid_before(), seconds(permit.until()));
    assert_eq!(signed.critical_options()["source-address"], "10.0.0.7/32");
    assert_eq!(signed.extensions().len(), 1);
    let trusted = public.fingerprint(Default::default());
    assert!(signed.validate_at(seconds(NOW), [&trusted]).is_ok());

    let refused = certify(&sealed, &root(&other));
    assert!(matches!(refused, Err(VaultError::OtherAccount)));
    let mut damaged = sealed.clone();
    damaged.bytes[20] ^= 1;
    let refused = certify(&damaged, &root(&one));
    assert!(matches!(refused, Err(VaultError::NotAuthentic)));

    // A rekey loses nothing.
    vault.add_key().unwrap();
    let sealed = vault.rewrap_authority(&sealed).unwrap();
    vault.retire_keys(&BTreeSet::new()).unwrap();
    let signed = certify(&sealed, &root(&one)).unwrap();
    assert!(signed.validate_at(seconds(NOW), [&trusted]).is_ok());
}

#[test]
fn the_rows_do_not_tell_how_long_a_password_is() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let length = |plaintext: &[u8]| {
        vault
            .seal(&account(1), SecretField::Password, plaintext)
            .unwrap()
            .ciphertext
            .len()
    };
    assert_eq!(length(b"x"), length(b"correct horse battery staple"));
    assert_eq!(length(&[0; 63]), length(&[0; 1]));
}

#[test]
fn a_secret_opens_for_its_account_and_field_alone() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let sealed = vault
        .seal(&account(1), SecretField::Password, b"hunter2")
        .unwrap();
    let moved = vault.unseal(&account(2), SecretField::Password, &sealed);
    assert!(matches!(moved, Err(VaultError::NotAuthentic)));
    let renamed = vault.unseal(&account(1), SecretField::Passphrase, &sealed);
    assert!(matches!(renamed, Err(VaultError::NotAuthentic)));
    // Nor does a rewrap launder a row that was moved.
    vault.add_key().unwrap();
    let laundered = vault.rewrap(&account(2), SecretField::Password, &sealed);
    assert!(matches!(laundered, Err(VaultError::NotAuthentic)));
}

#[test]
fn a_channels_secret_opens_for_its_channel_alone_and_survives_a_rekey() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let secrets = vault.channel_secrets();
    let [mail, soc] = [1, 2].map(|number| ChannelId::new(NOW, [number; 10]));
    let sealed = vault.seal_only().seal_channel(&mail, b"hunter2").unwrap();
    assert_eq!(secrets.open(&mail, &sealed).unwrap().as_slice(), b"hunter2");
    assert!(matches!(
        secrets.open(&soc, &sealed),
        Err(VaultError::NotAuthentic)
    ));
    // Nor is it an account's, whose id might be the same.
    let twin = AccountId::new(NOW, [1; 10]);
    for field in SecretField::ALL {
        assert!(vault.unseal(&twin, field, &sealed).is_err());
    }
    vault.add_key().unwrap();
    let rewrapped = secrets.rewrap(&mail, &sealed).unwrap();
    assert_ne!(rewrapped.kek_id, sealed.kek_id);
    let in_use = BTreeSet::from([rewrapped.kek_id.clone()]);
    vault.retire_keys(&in_use).unwrap();
    assert_eq!(
        secrets.open(&mail, &rewrapped).unwrap().as_slice(),
        b"hunter2"
    );
    assert!(secrets.open(&mail, &sealed).is_err());
}

#[test]
fn half_of_one_row_and_half_of_another_open_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let one = vault
        .seal(&account(1), SecretField::Password, b"one")
        .unwrap();
    let two = vault
        .seal(&account(1), SecretField::Password, b"two")
        .unwrap();
    let mixed = SealedSecret {
        ciphertext: two.ciphertext,
        ..one
    };
    let opened = vault.unseal(&account(1), SecretField::Password, &mixed);
    assert!(matches!(opened, Err(VaultError::NotAuthentic)));
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let sealed = vault
        .seal(&account(1), SecretField::Password, b"hunter2")
        .unwrap();
    let refused = |changed: SealedSecret| {
        let opened = vault.unseal(&account(1), SecretField::Password, &changed);
        assert!(matches!(opened, Err(VaultError::NotAuthentic)));
    };
    for at in 0..sealed.ciphertext.len() {
        let mut changed = sealed.clone();
        changed.ciphertext[at] ^= 1 << (at % 8);
        refused(changed);
        let ciphertext = sealed.ciphertext[..at].to_vec();
        refused(SealedSecret {
            ciphertext,
            ..sealed.clone()
        });
    }
    for at in 0..sealed.wrapped_key.len() {
        let mut changed = sealed.clone();
        changed.wrapped_key[at] ^= 1 << (at % 8);
        refused(changed);
        let wrapped_key = sealed.wrapped_key[..at].to_vec();
        refused(SealedSecret {
            wrapped_key,
            ..sealed.clone()
        });
    }
}

#[test]
fn a_secret_is_shown_only_against_a_permit_for_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_in(folder.path());
    let sealed = vault
        .seal(&account(1), SecretField::Password, b"hunter2")
        .unwrap();
    let secret = vault
        .unseal(&account(1), SecretField::Password, &sealed)
        .unwrap();
    assert_eq!(
        secret
            .expose(&permit_for(&account(1)), <[u8]>::to_vec)
            .unwrap(),
        b"hunter2"
    );
    let other = secret.expose(&permit_for(&account(2)), |_| panic!("it must not be shown"));
    assert!(matches!(other, Err(VaultError::OtherAccount)));
}

#[test]
fn nothing_and_too_much_are_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = vault_in(folder.path()).seal_only();
    for length in [0, LONGEST + 1] {
        let sealed = sealer.seal(&account(1), SecretField::SshKey, &vec![b'x'; length]);
        assert!(matches!(sealed, Err(VaultError::Length)), "{length}");
    }
    sealer
        .seal(&account(1), SecretField::SshKey, &vec![b'x'; LONGEST])
        .unwrap();
}

#[test]
fn another_key_file_is_said_to_be_another() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sealed = vault_in(folder.path())
        .seal(&account(1), SecretField::Password, b"hunter2")
        .unwrap();
    let vault = vault_in(other.path());
    assert!(!vault.has_key(&sealed.kek_id));
    let opened = vault.unseal(&account(1), SecretField::Password, &sealed);
    assert!(matches!(opened, Err(VaultError::UnknownKey { kek_id }) if kek_id == sealed.kek_id));
}

/// A gateway that runs all the time, and a rekey by another process that is killed after
/// any number of steps and begun again: every secret can be read at every moment.
#[test]
fn a_rekey_killed_at_any_step_loses_nothing() {
    for killed_after in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let gateway = vault_in(folder.path());
        let seal = |number: u8| {
            gateway
                .seal(&account(number), SecretField::Password, &[number; 9])
                .unwrap()
        };
        let mut rows: Vec<SealedSecret> = (0..4).map(seal).collect();
        let old = rows[0].kek_id.clone();
        let all_open = |rows: &[SealedSecret]| {
            for vault in [&gateway, &vault_in(folder.path())] {
                for (row, number) in rows.iter().zip(0_u8..) {
                    let secret = vault.unseal(&account(number), SecretField::Password, row);
                    assert_eq!(secret.unwrap().bytes(), [number; 9]);
                }
            }
        };
        let mut steps = 0;
        let mut goes_on = || {
            steps += 1;
            steps <= killed_after
        };
        // Twice: what was killed, and the run that finishes.
        for last_run in [false, true] {
            let process = vault_in(folder.path());
            if !last_run && !goes_on() {
                continue;
            }
            process.add_key().unwrap();
            all_open(&rows);
            for number in 0..rows.len() {
                if !last_run && !goes_on() {
                    break;
                }
                let place = account(u8::try_from(number).unwrap());
                rows[number] = process
                    .rewrap(&place, SecretField::Password, &rows[number])
                    .unwrap();
                all_open(&rows);
            }
            // A secret set meanwhile is under the new key, though the gateway was not told.
            rows.push(
                gateway
                    .seal(
                        &account(u8::try_from(rows.len()).unwrap()),
                        SecretField::Password,
                        &[u8::try_from(rows.len()).unwrap(); 9],
                    )
                    .unwrap(),
            );
            let in_use = rows.iter().map(|row| row.kek_id.clone()).collect();
            process.retire_keys(&in_use).unwrap();
            all_open(&rows);
        }
        let process = vault_in(folder.path());
        let newest = process.newest_key().unwrap();
        assert!(rows.iter().all(|row| row.kek_id == newest));
        assert!(!process.has_key(&old));
        assert!(
            !fs::read_to_string(folder.path().join("vault.key"))
                .unwrap()
                .contains(&old)
        );
    }
}

#[test]
fn keys_from_the_environment_are_read_and_never_written() {
    // A variable that every test run has, and that is no key.
    let error = open(SecretSource::Env("PATH".to_owned())).err().unwrap();
    assert!(matches!(error, VaultError::Keyring { .. }), "{error}");
    let error = open(SecretSource::Env("DOORWARD_NO_SUCH_VARIABLE".to_owned()))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the environment variable DOORWARD_NO_SUCH_VARIABLE is not set"
    );
}

#[test]
fn a_line_end_is_no_part_of_a_secret_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    keyfile::replace(&path, b"p a s s\r\n").unwrap();
    assert_eq!(
        **read_source(&SecretSource::File(path)).unwrap(),
        *b"p a s s"
    );
}

#[test]
fn entropy_differs() {
    assert_ne!(entropy::<32>(), entropy::<32>());
}
