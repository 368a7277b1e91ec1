//! What a set of capabilities opens, and that it never opens more than it lists.

use std::{collections::BTreeSet, net::IpAddr};

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Capability {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn connect(host: &str, port: u32) -> Endpoint {
    Endpoint::to_connect(host, port).unwrap()
}

#[test]
fn what_is_written_is_read_and_written_again() {
    for text in [
        "shell",
        "exec",
        "exec:systemctl status *",
        "exec:git-upload-pack '/srv/git/*'",
        "exec:echo a:b  c",
        "sftp-read",
        "sftp-write",
        "scp-up",
        "scp-down",
        "forward:*:*",
        "forward:db.internal:5432",
        "forward:10.0.0.7:22",
        "forward:10.0.0.0/8:*",
        "forward:[2001:db8::1]:443",
        "forward:[2001:db8::/32]:443",
        "forward:0.0.0.0/0:80",
        "remote-forward:localhost:8080",
        "remote-forward:*:0",
        "agent",
        "x11",
        "http",
        "http:* /**",
        "http:GET,HEAD /api/**",
        "http:POST /api/*/run",
        "http:PUT /files/** upload<=10MiB",
        "http:GET /files/** download<=1GiB",
        "http:* /** upload<=0B download<=500B",
        "websocket",
        "desktop",
        "clipboard",
        "drives",
    ] {
        assert_eq!(parsed(text).to_string(), text);
        let json = serde_json::to_string(text).unwrap();
        let read: Capability = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
    assert_eq!(
        parsed("forward:DB.Internal.:080").to_string(),
        "forward:db.internal:80"
    );
}

#[test]
fn what_is_no_capability_is_named() {
    let unknown = "tunnel".parse::<Capability>().unwrap_err().to_string();
    assert!(unknown.starts_with("\"tunnel\" is not a capability: shell, exec, "));
    let long = format!("exec:{}", "x".repeat(CommandPattern::LONGEST + 1));
    let long_host = format!("forward:{}:1", "a".repeat(254));
    for text in [
        "",
        "Shell",
        "shell ",
        "sftp",
        "exec:",
        "exec: ls",
        "exec:ls ",
        "exec:ls\nid",
        "exec:ls\u{202e}",
        "exec:*",
        "exec:/bin/* x",
        "exec:cp **",
        "exec:cat ../*",
        "forward",
        "forward:",
        "forward:db1",
        "forward:db1:",
        "forward:db1:0",
        "forward:db1:65536",
        "forward:db1:+1",
        "forward:db1:http",
        "forward::22",
        "forward:db 1:22",
        "forward:-db1:22",
        "forward:*.internal:22",
        "forward:127.1:22",
        "forward:2130706433:22",
        "forward:0x7f000001:22",
        "forward:010.0.0.1:22",
        "forward:10.0.0.1/8:22",
        "forward:10.0.0.0/33:22",
        "forward:10.0.0.0/-1:22",
        "forward:10.0.0.0/:22",
        "forward:2001:db8::1:22",
        "forward:[10.0.0.1]:22",
        "forward:[2001:db8::1:22",
        "forward:[::ffff:10.0.0.0/104]:22",
        "forward:[fe80::1%eth0]:22",
        "remote-forward::8080",
        "http:",
        "http:GET",
        "http:get /",
        "http:GET /a/../b",
        "http:GET /a/**/b",
        "websocket:/a",
        &long,
        &long_host,
    ] {
        let error = text.parse::<Capability>().expect_err(text).to_string();
        assert!(error.len() < 400, "{error}");
        assert!(!error.contains(['\n', '\u{202e}']), "{error}");
    }
}

#[test]
fn a_listed_command_is_that_command_and_no_other() {
    let fits = |pattern: &str, command: &str| {
        parsed(&format!("exec:{pattern}")).admits(Use::Exec(command.as_bytes()))
    };
    for (pattern, command) in [
        ("uptime", "uptime"),
        ("systemctl status *", "systemctl status nginx.service"),
        ("systemctl status *", "systemctl status user@1000.service"),
        (
            "journalctl -u * --since=*",
            "journalctl -u nginx --since=today",
        ),
        (
            "git-upload-pack '/srv/git/*'",
            "git-upload-pack '/srv/git/a/b.git'",
        ),
        ("cat /var/log/*", "cat /var/log/nginx/error.log"),
        ("df -h | head", "df -h | head"),
        ("echo web*", "echo web-1"),
    ] {
        assert!(fits(pattern, command), "{pattern} {command}");
    }
    for (pattern, command) in [
        ("uptime", "uptime "),
        ("uptime", " uptime"),
        ("uptime", "uptime\n"),
        ("uptime", "/usr/bin/uptime"),
        ("uptime", "uptime; sh"),
        ("systemctl status *", "systemctl status"),
        ("systemctl status *", "systemctl status "),
        ("systemctl status *", "systemctl status a b"),
        ("systemctl status *", "systemctl  status a"),
        ("systemctl status *", "systemctl status\ta"),
        ("systemctl status *", "systemctl status ; sh"),
        ("systemctl status *", "systemctl status a;sh"),
        ("systemctl status *", "systemctl status a\nsh"),
        ("systemctl status *", "systemctl status a&sh"),
        ("systemctl status *", "systemctl status $(sh)"),
        ("systemctl status *", "systemctl status `sh`"),
        ("systemctl status *", "systemctl status *"),
        ("systemctl status *", "systemctl status ~root"),
        ("systemctl status *", "systemctl status --host=elsewhere"),
        ("systemctl status *", "systemctl status {a,b}"),
        ("systemctl status *", "systemctl status ä"),
        (
            "git-upload-pack '/srv/git/*'",
            "git-upload-pack '/srv/git/../../etc'",
        ),
        (
            "git-upload-pack '/srv/git/*'",
            "git-upload-pack '/srv/git/a' 'b'",
        ),
        (
            "git-upload-pack '/srv/git/*'",
            "git-upload-pack '/srv/git/a';'b'",
        ),
        ("git-upload-pack '*'", "git-upload-pack '--strict'"),
        ("cat /var/log/*", "cat /var/log/"),
        ("cat /var/log/*", "cat /var/log/../shadow"),
        ("cat /var/log/.*", "cat /var/log/../shadow"),
    ] {
        assert!(!fits(pattern, command), "{pattern} {command:?}");
    }
    assert!(!parsed("exec:echo *").admits(Use::Exec(b"echo \xff")));
    assert!(!parsed("exec:scp -t *").admits(Use::ScpUp));
    assert!(parsed("exec").admits(Use::Exec(b"\xff; sh")));
}

#[test]
fn a_place_is_compared_as_it_was_asked_for() {
    let fits = |pattern: &str, host: &str, port: u32| {
        parsed(&format!("forward:{pattern}")).admits(Use::Forward(&connect(host, port)))
    };
    for (pattern, host, port) in [
        ("*:*", "anywhere.example.org", 1),
        ("*:22", "10.0.0.1", 22),
        ("db.internal:*", "DB.internal.", 65_535),
        ("10.0.0.0/8:22", "10.255.0.1", 22),
        ("10.0.0.0/8:22", "::ffff:10.0.0.1", 22),
        ("0.0.0.0/0:22", "255.255.255.255", 22),
        ("[::/0]:22", "fe80::1", 22),
        ("[2001:db8::/33]:22", "2001:db8:7fff::", 22),
        ("127.0.0.1:22", "127.0.0.1", 22),
    ] {
        assert!(fits(pattern, host, port), "{pattern} {host}:{port}");
    }
    for (pattern, host, port) in [
        ("*:22", "db.internal", 23),
        ("db.internal:22", "db.internal.evil", 22),
        ("db.internal:22", "internal", 22),
        ("10.0.0.0/8:22", "11.0.0.1", 22),
        ("10.0.0.0/8:22", "db.internal", 22),
        ("0.0.0.0/0:22", "2852039166", 22),
        ("0.0.0.0/0:22", "0xa9fea9fe", 22),
        ("0.0.0.0/0:22", "010.0.0.1", 22),
        ("0.0.0.0/0:22", "::1", 22),
        ("[::/0]:22", "10.0.0.1", 22),
        ("[2001:db8::/33]:22", "2001:db8:8000::", 22),
        ("127.0.0.1:22", "localhost", 22),
        ("127.0.0.1:22", "127.1", 22),
    ] {
        assert!(!fits(pattern, host, port), "{pattern} {host}:{port}");
    }
    let there = connect("127.0.0.1", 22);
    assert!(!parsed("remote-forward:*:*").admits(Use::Forward(&there)));
    assert!(!parsed("forward:*:*").admits(Use::RemoteForward(&there)));
}

#[test]
fn a_listener_may_be_everywhere_and_choose_its_port() {
    let fits = |pattern: &str, host: &str, port: u32| {
        let endpoint = Endpoint::to_listen(host, port).unwrap();
        parsed(&format!("remote-forward:{pattern}")).admits(Use::RemoteForward(&endpoint))
    };
    assert!(fits("localhost:*", "localhost", 0));
    assert!(fits("localhost:0", "localhost", 0));
    assert!(fits("*:8080", "", 8080));
    assert!(!fits("localhost:8080", "", 8080));
    assert!(!fits("0.0.0.0:8080", "", 8080));
    assert!(!fits("localhost:0", "localhost", 8080));
    assert_eq!(Endpoint::to_listen("*", 1).unwrap().host(), "");
}

#[test]
fn what_is_no_place_is_refused() {
    let long = "a".repeat(254);
    for (host, port) in [
        ("", 22),
        ("*", 22),
        ("db1", 0),
        ("db1", 65_536),
        ("db1", u32::MAX),
        ("db 1", 22),
        ("db1\0", 22),
        ("db1\n", 22),
        ("-db1", 22),
        ("a..b", 22),
        ("fe80::1%eth0", 22),
        ("/run/socket", 22),
        ("дб1", 22),
        (".", 22),
        (&long, 22),
    ] {
        assert_eq!(
            Endpoint::to_connect(host, port),
            Err(NotAnEndpoint),
            "{host:?}"
        );
    }
}

fn capability() -> impl Strategy<Value = Capability> {
    let text = prop_oneof![
        Just("shell".to_owned()),
        Just("exec".to_owned()),
        Just("agent".to_owned()),
        Just("x11".to_owned()),
        Just("scp-up".to_owned()),
        Just("sftp-read".to_owned()),
        "exec:[a-c]{1,2}( [a-c]{0,1}[*]?){0,2}[a-c]",
        "(remote-)?forward:([*]|[a-c]{1,2}|10\\.[0-2]\\.0\\.0/1[6-9]|10\\.0\\.0\\.[0-3]):([*]|[1-3])",
    ];
    text.prop_filter_map("a capability", |text| text.parse().ok())
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof!["[a-c]{1,2}", "10\\.[0-2]\\.[0-9]{1,2}\\.[0-3]"];
    (host, 1..4_u32).prop_map(|(host, port)| connect(&host, port))
}

/// The address lies in the network, bit by bit.
fn lies_in(asked: &str, network: &str) -> bool {
    let (address, length) = network.split_once('/').unwrap_or((network, "32"));
    let (Ok(IpAddr::V4(asked)), Ok(IpAddr::V4(address))) = (asked.parse(), address.parse()) else {
        return false;
    };
    let length: usize = length.parse().unwrap();
    let bit = |address: u32, at: usize| address >> (31 - at) & 1;
    (0..length).all(|at| bit(asked.into(), at) == bit(address.into(), at))
}

proptest! {
    #[test]
    fn what_parses_is_written_so_that_it_parses_again(text in "(exec|forward|remote-forward):.{0,30}|.{0,12}") {
        if let Ok(capability) = text.parse::<Capability>() {
            prop_assert_eq!(capability.to_string().parse(), Ok(capability));
        }
    }

    /// Against a second reading of what the members say, from their text alone.
    #[test]
    fn a_set_of_places_opens_no_more_than_it_lists(
        set in proptest::collection::btree_set(capability(), 0..8),
        asked in endpoint(),
    ) {
        let listed = |prefix: &str, set: &BTreeSet<Capability>| set.iter().any(|capability| {
            let text = capability.to_string();
            let Some((host, port)) = text.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(':')) else {
                return false;
            };
            (host == "*" || host == asked.host() || lies_in(&asked.host(), host))
                && (port == "*" || port == asked.port().to_string())
        });
        let opens = |wanted| set.iter().any(|capability| capability.admits(wanted));
        prop_assert_eq!(opens(Use::Forward(&asked)), listed("forward:", &set));
        prop_assert_eq!(opens(Use::RemoteForward(&asked)), listed("remote-forward:", &set));
    }

    #[test]
    fn a_capability_opens_its_own_kind_only(capability in capability(), asked in endpoint(), command in "[a-c* ;]{0,6}") {
        let text = capability.to_string();
        let kind = text.split(':').next().unwrap_or_default();
        let uses = [
            ("shell", Use::Shell),
            ("exec", Use::Exec(command.as_bytes())),
            ("sftp-read", Use::SftpRead),
            ("sftp-write", Use::SftpWrite),
            ("forward", Use::Forward(&asked)),
            ("remote-forward", Use::RemoteForward(&asked)),
            ("agent", Use::Agent),
            ("x11", Use::X11),
        ];
        for (name, wanted) in uses {
            prop_assert!(!capability.admits(wanted) || name == kind, "{} {:?}", text, wanted);
        }
        let scp = capability.admits(Use::ScpUp);
        prop_assert_eq!(scp, text == "scp-up" || text == "exec");
    }

    /// Whatever a wildcard takes: to a shell it is as many words as the pattern has, and none
    /// of them does anything.
    #[test]
    fn a_wildcard_takes_nothing_that_a_shell_would_read(tail in ".{0,12}|[a-z;&|<>$`\"'\\\\(){}~#! \t\n*?\\[\\]=^-]{0,12}") {
        let command = format!("systemctl status {tail}");
        if parsed("exec:systemctl status *").admits(Use::Exec(command.as_bytes())) {
            prop_assert!(tail.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/:@%+,-".contains(&byte)));
            prop_assert!(!tail.is_empty() && !tail.starts_with('-') && !tail.contains(".."));
        }
    }
}
