//! Maps that are no tables: queues, filters, maps of maps, storage, devices.

use super::{image, packet, run, session};
use skep::{Image, Network, Options, Session, Socket, Transport};
use skep_prog::{Initial, MapDef};

#[track_caller]
fn code(session: &mut Session) -> i64 {
    i64::from(run(session, &mut packet()).verdict.code.cast_signed())
}

/// Two values pushed and one taken with the helper, its result in the upper half.
fn taken(map_type: &str, helper: &str, pushes: &[u32]) -> i64 {
    let push = |value| {
        format!(
            " r1 = {value}\n *(u32 *)(r10 - 4) = r1\n r1 = q ll\n r2 = r10\n r2 += -4\n r3 = 0\n \
             call bpf_map_push_elem\n"
        )
    };
    let pushes: String = pushes.iter().map(push).collect();
    code(&mut session(&format!(
        ".map q, {map_type}, key=0, value=4, entries=2\n.section \"xdp\"\np:\n{pushes} r1 = q ll\n \
         r2 = r10\n r2 += -4\n call {helper}\n r0 <<= 16\n r1 = *(u32 *)(r10 - 4)\n r0 += r1\n exit\n"
    )))
}

#[test]
fn queues_and_stacks_give_back_what_they_were_given() {
    let (pop, peek) = ("bpf_map_pop_elem", "bpf_map_peek_elem");
    assert_eq!(taken("queue", pop, &[7, 8]), 7);
    assert_eq!(taken("stack", pop, &[7, 8]), 8);
    assert_eq!(taken("queue", peek, &[7, 8, 9]), 7, "what finds no room stays out");
    assert_eq!(taken("queue", pop, &[]), -2 << 16);
    assert_eq!(taken("bloom_filter", peek, &[7]), 7, "found");
    assert_eq!(taken("bloom_filter", pop, &[7]), (-95 << 16) + 7);
    let mut wrong = session(
        ".map a, array, key=4, value=4, entries=1\n.section \"xdp\"\np:\n r1 = a ll\n r2 = r10\n r2 += -4\n \
         call bpf_map_pop_elem\n exit\n",
    );
    let fault = wrong.run(&mut packet()).unwrap_err().to_string();
    assert!(fault.contains("argument 1 must be a queue, a stack or a bloom filter"), "{fault}");
}

/// The program counts in the map at index 1 of a map of maps.
fn nested(entries: &[(u32, &str)]) -> Image {
    let mut image = image(
        ".map outer, array_of_maps, key=4, value=4, entries=2\n.map a, array, key=4, value=4, entries=1\n\
         .map b, array, key=4, value=4, entries=1\n.map c, hash, key=4, value=4, entries=1\n\
         .section \"xdp\"\np:\n r1 = 1\n *(u32 *)(r10 - 4) = r1\n r1 = outer ll\n r2 = r10\n r2 += -4\n \
         call bpf_map_lookup_elem\n if r0 == 0 goto none\n r1 = 0\n *(u32 *)(r10 - 4) = r1\n r1 = r0\n \
         r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n if r0 == 0 goto none\n r1 = *(u32 *)(r0 + 0)\n \
         r1 += 1\n *(u32 *)(r0 + 0) = r1\n r0 = r1\n exit\n none:\n r0 = -1\n exit\n",
    );
    let inner: MapDef = image.maps[1].clone();
    image.maps[0].inner = Some(Box::new(inner));
    let entries = entries.iter().map(|&(index, name)| (index, name.to_string())).collect();
    image.maps[0].initial = Initial::Maps(entries);
    image
}

#[test]
fn a_map_in_a_map_is_looked_up_like_any_other() {
    let load = |entries| Session::load(&nested(entries), None, Options::default());
    let mut session = load(&[(0, "a"), (1, "b")]).unwrap();
    assert_eq!([code(&mut session), code(&mut session)], [1, 2]);
    let counts: Vec<_> = session
        .maps()
        .filter(|map| map.def().name != "outer")
        .map(|map| (map.def().name.clone(), map.entries().next().unwrap().value[0]))
        .collect();
    assert_eq!(counts, [("a".to_string(), 0), ("b".to_string(), 2)]);
    assert_eq!(code(&mut load(&[(0, "a")]).unwrap()), -1);
    let refused = |entries| load(entries).err().map(|err| err.to_string()).unwrap_or_default();
    assert!(refused(&[(0, "d")]).contains("entry 0 names the map `d`, which does not exist"));
    assert!(refused(&[(0, "c")]).contains("map outer cannot hold the map `c` at entry 0"));
}

#[test]
fn a_socket_keeps_what_is_stored_with_it() {
    let text = |flags: u32, then: &str| {
        format!(
            ".map s, sk_storage, key=4, value=8, entries=0, flags=1\n.section \"tc\"\np:\n \
             *(u32 *)(r10 - 16) = 0x0100000a\n *(u32 *)(r10 - 12) = 0x0200000a\n \
             *(u32 *)(r10 - 8) = 0x50008813\n r2 = r10\n r2 += -16\n r3 = 12\n r4 = -1\n r5 = 0\n \
             call bpf_sk_lookup_tcp\n r6 = r0\n if r0 == 0 goto none\n r1 = s ll\n r2 = r6\n r3 = 0\n \
             r4 = {flags}\n call bpf_sk_storage_get\n if r0 == 0 goto none\n r1 = *(u64 *)(r0 + 0)\n \
             r1 += 1\n *(u64 *)(r0 + 0) = r1\n r7 = r1\n {then}\n r1 = r6\n call bpf_sk_release\n r0 = r7\n \
             exit\n none:\n r0 = -1\n exit\n"
        )
    };
    let with_socket = |text: &str| {
        let mut session = session(text);
        let socket = Socket::new(Transport::Tcp, "10.0.0.2:80".parse().unwrap(), None);
        session.set_network(Network { sockets: vec![socket], ..Network::default() });
        session
    };
    assert_eq!(code(&mut with_socket(&text(0, ""))), -1, "nothing is there yet");
    let mut session = with_socket(&text(1, ""));
    assert_eq!([code(&mut session), code(&mut session)], [1, 2]);
    let delete = "r1 = s ll\n r2 = r6\n call bpf_sk_storage_delete";
    let mut session = with_socket(&text(1, delete));
    assert_eq!([code(&mut session), code(&mut session)], [1, 1]);
}

#[test]
fn a_redirection_goes_to_what_the_map_has() {
    let outcome = |map_type: &str, key: u32, flags: u32| {
        let put = |index: u32, ifindex: u32| {
            format!(
                " r1 = {index}\n *(u32 *)(r10 - 4) = r1\n r1 = {ifindex}\n *(u32 *)(r10 - 8) = r1\n \
                 r1 = d ll\n r2 = r10\n r2 += -4\n r3 = r10\n r3 += -8\n r4 = 0\n \
                 call bpf_map_update_elem\n"
            )
        };
        let image = image(&format!(
            ".map d, {map_type}, key=4, value=4, entries=4\n.section \"xdp\"\np:\n{}{} r1 = d ll\n \
             r2 = {key}\n r3 = {flags}\n call bpf_redirect_map\n exit\n",
            put(1, 41),
            put(3, 43)
        ));
        let options = Options { cpus: 4, ..Options::default() };
        let mut session = Session::load(&image, None, options).unwrap();
        let mut packet = packet();
        packet.meta.ifindex = 41;
        let outcome = run(&mut session, &mut packet);
        let clones: Vec<_> = outcome.clones.iter().map(|(ifindex, _)| *ifindex).collect();
        (outcome.verdict.name, outcome.redirect, clones)
    };
    assert_eq!(outcome("devmap", 3, 0), ("XDP_REDIRECT", Some(43), vec![]));
    assert_eq!(outcome("devmap", 2, 2), ("XDP_PASS", None, vec![]));
    assert_eq!(outcome("devmap", 2, 1), ("XDP_DROP", None, vec![]));
    assert_eq!(outcome("devmap_hash", 1, 0), ("XDP_REDIRECT", Some(41), vec![]));
    assert_eq!(outcome("cpumap", 1, 0), ("XDP_REDIRECT", None, vec![]));
    assert_eq!(outcome("cpumap", 1, 8), ("XDP_ABORTED", None, vec![]));
    assert_eq!(outcome("devmap", 0, 8), ("XDP_REDIRECT", Some(43), vec![41]));
    assert_eq!(outcome("devmap", 0, 8 | 16), ("XDP_REDIRECT", Some(43), vec![]));
}

#[test]
fn a_map_knows_how_many_it_has() {
    let put = " r1 = h ll\n r2 = r10\n r2 += -4\n r3 = r10\n r3 += -4\n r4 = 0\n call bpf_map_update_elem\n";
    let text = format!(
        ".map h, hash, key=4, value=4, entries=8\n.section \"xdp\"\np:\n r1 = 1\n *(u32 *)(r10 - 4) = r1\n{put} \
         r1 = 2\n *(u32 *)(r10 - 4) = r1\n{put} r1 = h ll\n call @bpf_map_sum_elem_count\n exit\n"
    );
    assert_eq!(code(&mut session(&text)), 2);
}
