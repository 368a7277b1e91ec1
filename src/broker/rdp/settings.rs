//! What client and server tell each other of themselves before the session, as blocks
//! (MS-RDPBCGR 2.2.1.3 and 2.2.1.4, in T.124 in T.125 in X.224).
//!
//! Takes the message apart into its blocks and puts it together again; what is not changed
//! comes out as it went in. Knows no policy.

use super::{
    bytes::{Short, put, take, take_u8, take_u16, u16_at, u32_at},
    capabilities::Watched,
    channels::Channels,
    frame::TPKT,
    protocol::Protocols,
};

/// TPKT and X.224's data header.
const HEAD: usize = 4 + 3;
const X224_DATA: [u8; 3] = [2, 0xf0, 0x80];

/// T.124 names itself in each of them.
const T124: [u8; 7] = [0, 5, 0, 0x14, 0x7c, 0, 1];
/// Right before the blocks, and a length.
const OF_CLIENT: &[u8; 4] = b"Duca";
const OF_SERVER: &[u8; 4] = b"McDn";
/// The mark stands so near behind the beginning of T.124.
const NEAR: usize = 32;

const CONNECT_INITIAL: [u8; 2] = [0x7f, 0x65];
const CONNECT_RESPONSE: [u8; 2] = [0x7f, 0x66];
const OCTETS: u8 = 4;

const CLIENT_CORE: u16 = 0xc001;
const CLIENT_NET: u16 = 0xc003;
const CLIENT_CLUSTER: u16 = 0xc004;
const CLIENT_MONITOR: u16 = 0xc005;
const CLIENT_MESSAGE_CHANNEL: u16 = 0xc006;
const CLIENT_MONITOR_EX: u16 = 0xc008;
const CLIENT_MULTITRANSPORT: u16 = 0xc00a;
const SERVER_CORE: u16 = 0x0c01;
const SERVER_NET: u16 = 0x0c03;
const SERVER_MESSAGE_CHANNEL: u16 = 0x0c04;
const SERVER_MULTITRANSPORT: u16 = 0x0c08;

/// Where things stand in the client's core block.
const EARLY_CAPABILITIES: usize = 140;
const SERVER_SELECTED: usize = 208;
/// Where the client's wish comes back in the server's.
const CLIENT_REQUESTED: usize = 4;

const SUPPORTS_GRAPHICS_PIPELINE: u16 = 0x0100;
const SUPPORTS_REDIRECTION: u32 = 0x0000_0001;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSettings {
    #[error("the settings are not where they are expected")]
    Form,
    #[error(transparent)]
    Short(#[from] Short),
    #[error("too many channels")]
    Channels,
    #[error("something is said twice ({0:#06x})")]
    Twice(u16),
}

/// The client's settings, as the target is to see them, and its channels by position.
pub fn for_target(
    frame: &[u8],
    selected: Protocols,
    extended: bool,
    watched: Watched,
    may: impl Fn(&str) -> bool,
) -> Result<(Vec<u8>, Channels), NotSettings> {
    let mut settings = Settings::parse(frame, CONNECT_INITIAL, OF_CLIENT)?;
    // The side channels over UDP, and what leads to them. Displays only where they are taken.
    settings.blocks.retain(|block| match block.kind {
        CLIENT_MULTITRANSPORT | CLIENT_MESSAGE_CHANNEL => false,
        CLIENT_MONITOR | CLIENT_MONITOR_EX => extended,
        _ => true,
    });
    let core = settings.block(CLIENT_CORE).ok_or(NotSettings::Form)?;
    if core.len() == SERVER_SELECTED {
        core.extend([0; 4]);
    }
    if core.len() > SERVER_SELECTED {
        put(core, SERVER_SELECTED, &selected.0.to_le_bytes())?;
    }
    // The recorder does not follow it.
    if watched == Watched::Recorded
        && let Ok(flags) = u16_at(core, EARLY_CAPABILITIES)
    {
        let flags = flags & !SUPPORTS_GRAPHICS_PIPELINE;
        put(core, EARLY_CAPABILITIES, &flags.to_le_bytes())?;
    }
    if let Some(cluster) = settings.block(CLIENT_CLUSTER) {
        let flags = u32_at(cluster, 0)? & !SUPPORTS_REDIRECTION;
        put(cluster, 0, &flags.to_le_bytes())?;
    }
    let channels = match settings.block(CLIENT_NET) {
        Some(net) => Channels::rename(net, may)?,
        None => Channels::default(),
    };
    Ok((settings.encode()?, channels))
}

/// The target's settings, as the client is to see them. Tells `channels` their numbers.
pub fn for_client(
    frame: &[u8],
    requested: Protocols,
    channels: &mut Channels,
) -> Result<Vec<u8>, NotSettings> {
    let mut settings = Settings::parse(frame, CONNECT_RESPONSE, OF_SERVER)?;
    let unasked = |kind| [SERVER_MESSAGE_CHANNEL, SERVER_MULTITRANSPORT].contains(&kind);
    settings.blocks.retain(|block| !unasked(block.kind));
    let core = settings.block(SERVER_CORE).ok_or(NotSettings::Form)?;
    if core.len() > CLIENT_REQUESTED {
        put(core, CLIENT_REQUESTED, &requested.0.to_le_bytes())?;
    }
    let net = settings.block(SERVER_NET).ok_or(NotSettings::Form)?;
    channels.number(net)?;
    settings.encode()
}

struct Block {
    kind: u16,
    body: Vec<u8>,
}

struct Settings<'a> {
    tag: [u8; 2],
    /// What T.125 wants to know, as it came.
    before: &'a [u8],
    /// What T.124 wants to know, as it came.
    conference: &'a [u8],
    blocks: Vec<Block>,
}

impl<'a> Settings<'a> {
    fn parse(frame: &'a [u8], tag: [u8; 2], mark: &[u8; 4]) -> Result<Self, NotSettings> {
        let mut rest = frame;
        let head = take(&mut rest, HEAD)?;
        if head[0] != TPKT || head[4..] != X224_DATA || take(&mut rest, 2)? != tag {
            return Err(NotSettings::Form);
        }
        let length = ber_length(&mut rest)?;
        if length != rest.len() {
            return Err(NotSettings::Form);
        }
        // Numbers, truths and sequences; the last of all is a string of octets.
        let inner = rest;
        let (before, mut data) = loop {
            let at = inner.len() - rest.len();
            let kind = take_u8(&mut rest)?;
            let length = ber_length(&mut rest)?;
            let value = take(&mut rest, length)?;
            if kind == OCTETS && rest.is_empty() {
                break (&inner[..at], value);
            }
        };
        if take(&mut data, T124.len())? != T124 {
            return Err(NotSettings::Form);
        }
        // Servers get this length wrong, and no client looks.
        per_length(&mut data)?;
        let near = &data[..data.len().min(NEAR)];
        let at = near
            .windows(mark.len())
            .position(|window| window == mark)
            .ok_or(NotSettings::Form)?;
        let conference = take(&mut data, at + mark.len())?;
        let length = per_length(&mut data)?;
        let mut data = take(&mut data, length)?;
        let mut blocks = Vec::new();
        while !data.is_empty() {
            let kind = take_u16(&mut data)?;
            let length = usize::from(take_u16(&mut data)?);
            let length = length.checked_sub(4).ok_or(Short)?;
            let body = take(&mut data, length)?.to_vec();
            // INVARIANT: each is said once. Of two lists of channels the target might take the
            // one that was not looked at.
            if blocks.iter().any(|block: &Block| block.kind == kind) {
                return Err(NotSettings::Twice(kind));
            }
            blocks.push(Block { kind, body });
        }
        Ok(Self {
            tag,
            before,
            conference,
            blocks,
        })
    }

    fn block(&mut self, kind: u16) -> Option<&mut Vec<u8>> {
        let found = self.blocks.iter_mut().find(|block| block.kind == kind);
        found.map(|block| &mut block.body)
    }

    fn encode(&self) -> Result<Vec<u8>, NotSettings> {
        let mut blocks = Vec::new();
        for Block { kind, body } in &self.blocks {
            blocks.extend(kind.to_le_bytes());
            blocks.extend(small(body.len() + 4)?.to_le_bytes());
            blocks.extend(body);
        }
        let mut conference = self.conference.to_vec();
        push_per_length(&mut conference, blocks.len())?;
        conference.extend(blocks);
        let mut data = T124.to_vec();
        push_per_length(&mut data, conference.len())?;
        data.extend(conference);
        let mut inner = self.before.to_vec();
        inner.push(OCTETS);
        push_ber_length(&mut inner, data.len())?;
        inner.extend(data);
        let mut frame = vec![TPKT, 0, 0, 0];
        frame.extend(X224_DATA);
        frame.extend(self.tag);
        push_ber_length(&mut frame, inner.len())?;
        frame.extend(inner);
        let length = small(frame.len())?.to_be_bytes();
        frame[2..4].copy_from_slice(&length);
        Ok(frame)
    }
}

/// What came in one frame goes out in one, although it may have grown by four bytes.
fn small(length: usize) -> Result<u16, NotSettings> {
    u16::try_from(length).map_err(|_| NotSettings::Form)
}

fn ber_length(bytes: &mut &[u8]) -> Result<usize, NotSettings> {
    match take_u8(bytes)? {
        short @ ..=0x7f => Ok(usize::from(short)),
        0x81 => Ok(usize::from(take_u8(bytes)?)),
        0x82 => {
            let two = take(bytes, 2)?;
            Ok(usize::from(u16::from_be_bytes([two[0], two[1]])))
        }
        _ => Err(NotSettings::Form),
    }
}

/// Always in the form that everybody writes.
fn push_ber_length(to: &mut Vec<u8>, length: usize) -> Result<(), NotSettings> {
    match length {
        ..0x80 => to.push(length as u8),
        0x80..0x100 => to.extend([0x81, length as u8]),
        _ => {
            to.push(0x82);
            to.extend(small(length)?.to_be_bytes());
        }
    }
    Ok(())
}

fn per_length(bytes: &mut &[u8]) -> Result<usize, NotSettings> {
    let first = take_u8(bytes)?;
    match first & 0xc0 {
        0x80 => {
            let low = take_u8(bytes)?;
            Ok(usize::from(u16::from_be_bytes([first & 0x3f, low])))
        }
        0xc0 => Err(NotSettings::Form),
        _ => Ok(usize::from(first)),
    }
}

/// Longer ones come in pieces, which no message of these has.
fn push_per_length(to: &mut Vec<u8>, length: usize) -> Result<(), NotSettings> {
    match length {
        ..0x80 => to.push(length as u8),
        0x80..0x4000 => to.extend((small(length)? | 0x8000).to_be_bytes()),
        _ => return Err(NotSettings::Form),
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(kind: u16, body: &[u8]) -> Block {
        let body = body.to_vec();
        Block { kind, body }
    }

    /// The settings of a client with these blocks.
    fn initial(blocks: Vec<Block>) -> Vec<u8> {
        let before = [
            &[4, 1, 1, 4, 1, 1, 1, 1, 0xff][..],
            &[0x30, 3, 2, 1, 34],
            &[0x30, 3, 2, 1, 1],
            &[0x30, 3, 2, 1, 34],
        ]
        .concat();
        let conference = [&[0, 8, 0, 0x10, 0, 1, 0xc0, 0][..], OF_CLIENT].concat();
        Settings {
            tag: CONNECT_INITIAL,
            before: &before,
            conference: &conference,
            blocks,
        }
        .encode()
        .unwrap()
    }

    fn response(blocks: Vec<Block>) -> Vec<u8> {
        let before = [10, 1, 0, 2, 1, 0, 0x30, 3, 2, 1, 34];
        let conference = [&[0x14, 0x76, 0x0a, 1, 1, 0, 1, 0xc0, 0][..], OF_SERVER].concat();
        Settings {
            tag: CONNECT_RESPONSE,
            before: &before,
            conference: &conference,
            blocks,
        }
        .encode()
        .unwrap()
    }

    fn net(names: &[&str]) -> Vec<u8> {
        let mut net = (names.len() as u32).to_le_bytes().to_vec();
        for name in names {
            let mut padded = name.as_bytes().to_vec();
            padded.resize(8, 0);
            net.extend(padded);
            net.extend(0x8000_0000_u32.to_le_bytes());
        }
        net
    }

    fn read<'a>(frame: &'a [u8], tag: [u8; 2], mark: &[u8; 4]) -> Settings<'a> {
        Settings::parse(frame, tag, mark).unwrap()
    }

    #[test]
    fn the_target_sees_its_own_choice_and_no_side_channel() {
        let mut core = vec![0; SERVER_SELECTED + 4];
        core[SERVER_SELECTED] = 2;
        core[EARLY_CAPABILITIES + 1] = 1;
        let frame = initial(vec![
            block(CLIENT_CORE, &core),
            block(CLIENT_CLUSTER, &[0x0d, 0, 0, 0, 0, 0, 0, 0]),
            block(CLIENT_NET, &net(&["rdpsnd", "cliprdr", "evil"])),
            block(CLIENT_MULTITRANSPORT, &[1, 1, 0, 0]),
            block(CLIENT_MESSAGE_CHANNEL, &[0; 4]),
            block(CLIENT_MONITOR, &[0; 8]),
            block(0xc0ff, &[9]),
        ]);
        let may = |name: &str| name == "rdpsnd";
        let (out, mut channels) =
            for_target(&frame, Protocols::TLS, false, Watched::Recorded, may).unwrap();
        let mut out = read(&out, CONNECT_INITIAL, OF_CLIENT);
        let core = out.block(CLIENT_CORE).unwrap();
        assert_eq!(core[SERVER_SELECTED..], [1, 0, 0, 0]);
        assert_eq!(
            core[EARLY_CAPABILITIES + 1],
            0,
            "no recorder follows the pipeline"
        );
        let unrecorded = for_target(&frame, Protocols::TLS, false, Watched::Unrecorded, may);
        let (unrecorded, _) = unrecorded.unwrap();
        let mut unrecorded = read(&unrecorded, CONNECT_INITIAL, OF_CLIENT);
        let seen = unrecorded.block(CLIENT_CORE).unwrap();
        assert_eq!(
            seen[EARLY_CAPABILITIES + 1],
            1,
            "it stays where nothing is recorded"
        );
        assert_eq!(out.block(CLIENT_CLUSTER).unwrap()[0], 0x0c);
        let names = out.block(CLIENT_NET).unwrap();
        assert_eq!(&names[4..12], b"rdpsnd\0\0");
        assert_eq!(&names[16..24], b"blkd1\0\0\0");
        assert_eq!(&names[28..36], b"blkd2\0\0\0");
        assert_eq!(out.block(0xc0ff).unwrap(), &[9], "unknown settings stay");
        let gone = [
            CLIENT_MULTITRANSPORT,
            CLIENT_MESSAGE_CHANNEL,
            CLIENT_MONITOR,
        ];
        assert!(gone.into_iter().all(|kind| out.block(kind).is_none()));

        let frame = response(vec![
            block(SERVER_CORE, &[4, 0, 8, 0, 1, 0, 0, 0]),
            block(
                SERVER_NET,
                &[0xeb, 3, 3, 0, 0xec, 3, 0xed, 3, 0xee, 3, 0, 0],
            ),
            block(SERVER_MULTITRANSPORT, &[1, 0, 0, 0]),
        ]);
        let out = for_client(&frame, Protocols(11), &mut channels).unwrap();
        let mut out = read(&out, CONNECT_RESPONSE, OF_SERVER);
        assert_eq!(out.block(SERVER_CORE).unwrap()[4..], [11, 0, 0, 0]);
        assert!(out.block(SERVER_MULTITRANSPORT).is_none());
        assert_eq!(channels.io(), 0x3eb);
        assert!(channels.may_carry(0x3ec));
        assert!(!channels.may_carry(0x3ed) && !channels.may_carry(0x3ee));
        assert!(!channels.may_carry(0x3ef), "nobody has heard of it");
    }

    #[test]
    fn what_is_not_changed_comes_out_as_it_went_in() {
        for size in [0, 60, 300, 16_000] {
            let frame = initial(vec![block(0xc0ff, &vec![7; size])]);
            let parsed = read(&frame, CONNECT_INITIAL, OF_CLIENT);
            assert_eq!(parsed.encode().unwrap(), frame, "{size}");
        }
    }

    #[test]
    fn a_message_that_is_cut_off_anywhere_is_refused() {
        let frame = initial(vec![
            block(CLIENT_CORE, &[0; 212]),
            block(CLIENT_NET, &net(&["rdpsnd"])),
        ]);
        for end in 0..frame.len() {
            assert!(
                for_target(
                    &frame[..end],
                    Protocols::TLS,
                    true,
                    Watched::Recorded,
                    |_| true
                )
                .is_err()
            );
        }
        let many = initial(vec![
            block(CLIENT_CORE, &[0; 212]),
            block(CLIENT_NET, &net(&["x"; 32])),
        ]);
        assert_eq!(
            for_target(&many, Protocols::TLS, true, Watched::Recorded, |_| true).err(),
            Some(NotSettings::Channels)
        );
    }

    #[test]
    fn no_second_list_of_channels_passes_behind_the_first() {
        let frame = initial(vec![
            block(CLIENT_CORE, &[0; 212]),
            block(CLIENT_NET, &net(&["rdpsnd"])),
            block(CLIENT_NET, &net(&["cliprdr"])),
        ]);
        assert_eq!(
            for_target(&frame, Protocols::TLS, true, Watched::Recorded, |name| name
                == "rdpsnd")
            .err(),
            Some(NotSettings::Twice(CLIENT_NET))
        );
    }

    #[test]
    fn what_does_not_fit_into_a_frame_any_more_is_refused() {
        let conference = [&[0, 8, 0, 0x10, 0, 1, 0xc0, 0][..], OF_CLIENT].concat();
        let with = |filling: usize, core: usize| {
            let length = small(filling).unwrap().to_be_bytes();
            let before = [&[OCTETS, 0x82][..], &length, &vec![0; filling]].concat();
            Settings {
                tag: CONNECT_INITIAL,
                before: &before,
                conference: &conference,
                blocks: vec![block(CLIENT_CORE, &vec![0; core])],
            }
            .encode()
        };
        let room = 65_535 - with(1_000, SERVER_SELECTED).unwrap().len() + 1_000;
        let frame = with(room, SERVER_SELECTED).unwrap();
        assert_eq!(frame.len(), 65_535);
        let grown = for_target(&frame, Protocols::TLS, true, Watched::Recorded, |_| true);
        assert_eq!(grown.err(), Some(NotSettings::Form));
        assert!(with(room + 1, SERVER_SELECTED).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(
            at in 0_usize..260, byte in any::<u8>(), tail in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut frame = initial(vec![
                block(CLIENT_CORE, &[0; 212]),
                block(CLIENT_NET, &net(&["rdpsnd"])),
            ]);
            let at = at % frame.len();
            frame[at] = byte;
            frame.extend(tail);
            let mut channels = Channels::default();
            for_target(&frame, Protocols::TLS, true, Watched::Recorded, |_| true).ok();
            for_client(&frame, Protocols::TLS, &mut channels).ok();
        }
    }
}
