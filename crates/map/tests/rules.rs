//! Which definitions make a map. The answers are those of Linux 6.18.

use skep_abi::{Errno, MapType};
use skep_map::{Limits, Map, MapError, ProgAccess};
use skep_prog::{DataKind, Initial, MapDef};

const OK: Result<(), Errno> = Ok(());
const INVAL: Result<(), Errno> = Err(Errno::EINVAL);
const BIG: Result<(), Errno> = Err(Errno::E2BIG);

#[test]
#[rustfmt::skip]
fn sizes_entries_and_flags() {
    use MapType::*;
    let table = [
        // type, key, value, entries, flags
        (Array, 4, 8, 1, 0, OK),
        (Array, 0, 8, 1, 0, INVAL),
        (Array, 8, 8, 1, 0, INVAL),
        (Array, 4, 0, 1, 0, INVAL),
        (Array, 4, 8, 0, 0, INVAL),
        (Array, 4, 1 << 31, 1, 0, BIG),
        (Array, 4, 8, 1, 1, INVAL),
        (Array, 4, 8, 1, 1 << 10, OK),
        (Array, 4, 8, 1, 1 << 11, INVAL),
        (Array, 4, 8, 1, 1 << 12, OK),
        (Array, 4, 8, 1, 1 << 7, OK),
        (Array, 4, 8, 1, 3 << 7, INVAL),
        (Array, 4, 8, 1, 3 << 3, INVAL),
        (PercpuArray, 4, 32768, 1, 0, OK),
        (PercpuArray, 4, 32769, 1, 0, BIG),
        (PercpuArray, 4, 8, 1, 1 << 10, INVAL),
        (Hash, 1, 1, 1, 0, OK),
        (Hash, 0, 1, 1, 0, INVAL),
        (Hash, 1, 0, 1, 0, INVAL),
        (Hash, 1, 1, 0, 0, INVAL),
        (Hash, 1, 1, 1, 1, OK),
        (Hash, 1, 1, 1, 2, INVAL),
        (Hash, 8, (4 << 20) - 57, 1, 0, OK),
        (Hash, 8, (4 << 20) - 56, 1, 0, BIG),
        (Hash, u32::MAX, u32::MAX, 1, 0, BIG),
        (Hash, 4, 4, (1 << 27) + 1, 1, BIG),
        (Hash, 4, 4, u32::MAX, 1, BIG),
        (PercpuHash, 4, 32768, 1, 0, OK),
        (PercpuHash, 4, 32769, 1, 0, BIG),
        (LruHash, 4, 4, 1, 0, OK),
        (LruHash, 4, 4, 1, 1, Err(Errno::ENOTSUPP)),
        (LruHash, 4, 4, 1, 2, OK),
        (LruPercpuHash, 4, 4, 1, 2, OK),
        (LpmTrie, 5, 1, 1, 1, OK),
        (LpmTrie, 260, 1, 1, 1, OK),
        (LpmTrie, 8, 8, 1, 0, INVAL),
        (LpmTrie, 4, 1, 1, 1, INVAL),
        (LpmTrie, 261, 1, 1, 1, INVAL),
        (LpmTrie, 8, 0, 1, 1, INVAL),
        (LpmTrie, 8, 4_194_024, 1, 1, OK),
        (LpmTrie, 8, 4_194_025, 1, 1, INVAL),
        (LpmTrie, 8, 1, 0, 1, INVAL),
        (ProgArray, 4, 4, 1, 0, OK),
        (ProgArray, 4, 8, 1, 0, INVAL),
        (ProgArray, 4, 4, 1, 1 << 7, INVAL),
        (PerfEventArray, 4, 4, 1, 1 << 11, OK),
        (PerfEventArray, 4, 4, 0, 0, OK),
        (PerfEventArray, 4, 8, 1, 0, INVAL),
        (Ringbuf, 0, 0, 4096, 0, OK),
        (Ringbuf, 0, 0, 0, 0, INVAL),
        (Ringbuf, 0, 0, 2048, 0, INVAL),
        (Ringbuf, 0, 0, 12288, 0, INVAL),
        (Ringbuf, 4, 0, 4096, 0, INVAL),
        (Ringbuf, 0, 4, 4096, 0, INVAL),
        (Ringbuf, 0, 0, 4096, 1, INVAL),
        (UserRingbuf, 0, 0, 4096, 0, OK),
        (UserRingbuf, 0, 4, 4096, 0, INVAL),
        (Queue, 0, 4, 1, 0, OK),
        (Queue, 4, 4, 1, 0, INVAL),
        (Queue, 0, 0, 1, 0, INVAL),
        (Queue, 0, 4, 0, 0, INVAL),
        (Queue, 0, 4, 1, 1, INVAL),
        (Stack, 0, 4, 1, 1 << 3, OK),
        (Stack, 0, (4 << 20) + 1, 1, 0, BIG),
        (BloomFilter, 0, 4, 1, 1 << 6, OK),
        (BloomFilter, 0, 4, 1, 1, INVAL),
        (BloomFilter, 4, 4, 1, 0, INVAL),
        (ArrayOfMaps, 4, 4, 1, 0, Err(Errno::EBADF)),
        (ArrayOfMaps, 4, 8, 1, 0, INVAL),
        (HashOfMaps, 4, 4, 1, 1, Err(Errno::EBADF)),
        (HashOfMaps, 4, 8, 1, 0, INVAL),
        (Devmap, 4, 4, 1, 0, OK),
        (Devmap, 4, 8, 1, 0, OK),
        (Devmap, 4, 12, 1, 0, INVAL),
        (Devmap, 8, 4, 1, 0, INVAL),
        (Devmap, 4, 4, 1, 1 << 7, INVAL),
        (DevmapHash, 4, 8, 1, 0, OK),
        (DevmapHash, 8, 8, 1, 0, INVAL),
        (Cpumap, 4, 4, 1, 0, OK),
        (Cpumap, 4, 4, 1, 1 << 3, INVAL),
        (Cpumap, 4, 4, 1 << 20, 0, BIG),
        (Xskmap, 4, 4, 1, 0, OK),
        (Xskmap, 4, 8, 1, 0, INVAL),
        (Sockmap, 4, 8, 1, 0, OK),
        (Sockmap, 4, 2, 1, 0, INVAL),
        (Sockhash, 12, 8, 1, 0, OK),
        (Sockhash, 513, 8, 1, 0, BIG),
        (Sockhash, 0, 8, 1, 0, INVAL),
        (ReuseportSockarray, 4, 8, 1, 0, OK),
        (ReuseportSockarray, 4, 16, 1, 0, INVAL),
        (CgroupArray, 4, 4, 1, 0, OK),
        (CgroupArray, 4, 8, 1, 0, INVAL),
        (StackTrace, 4, 1016, 1, 0, OK),
        (StackTrace, 4, 1024, 1, 0, INVAL),
        (StackTrace, 4, 12, 1, 0, INVAL),
        (StackTrace, 8, 8, 1, 0, INVAL),
        (StackTrace, 4, 8, 1, 1, INVAL),
        (TaskStorage, 4, 8, 0, 1, OK),
        (TaskStorage, 4, 8, 0, 0, INVAL),
        (TaskStorage, 4, 8, 1, 1, INVAL),
        (SkStorage, 8, 8, 0, 1, INVAL),
        (SkStorage, 4, 8, 0, 0x201, OK),
        (InodeStorage, 4, 0, 0, 1, INVAL),
        (CgrpStorage, 4, 1 << 16, 0, 1, BIG),
        (Arena, 0, 0, 16, 1 << 10, OK),
        (Arena, 0, 0, 16, 0, INVAL),
        (Arena, 4, 0, 16, 1 << 10, INVAL),
        (Arena, 0, 0, 0, 1 << 10, INVAL),
        (Arena, 0, 0, (1 << 20) + 1, 1 << 10, BIG),
    ];
    for (map_type, key_size, value_size, max_entries, flags, expected) in table {
        let mut def = MapDef::new("m", map_type, key_size, value_size, max_entries);
        def.flags = flags;
        let made = Map::new(&def, 2).map(drop).map_err(|error| error.errno());
        assert_eq!(made, expected, "{map_type} {key_size} {value_size} {max_entries} {flags:#x}");
    }
}

#[test]
fn errors_name_map_rule_and_numbers() {
    let text = |def: &MapDef| Map::new(def, 2).err().unwrap().to_string();
    let array = MapDef::new("counts", MapType::Array, 5, 8, 1);
    assert_eq!(text(&array), "map counts: key of 5 bytes where array wants 4");
    let ring = MapDef::new("events", MapType::Ringbuf, 0, 0, 5000);
    assert_eq!(
        text(&ring),
        "map events: max_entries is 5000 where ringbuf wants a power of two and a multiple of 4096"
    );
    let ops = MapDef::new("q", MapType::StructOps, 4, 4, 1);
    assert_eq!(text(&ops), "map q: maps of type struct_ops are not supported");
    assert!(matches!(Map::new(&ops, 2), Err(MapError::Unsupported { .. })));
    let storage = MapDef::new("q", MapType::CgroupStorage, 4, 4, 0);
    assert_eq!(text(&storage), "map q: key of 4 bytes where cgroup_storage wants 8 or 16");
    let big = MapDef::new("big", MapType::Array, 4, 4, u32::MAX);
    assert_eq!(text(&big), "map big: 34359738360 bytes asked for, 1073741824 left");
    let mut extra = MapDef::new("x", MapType::Array, 4, 4, 1);
    extra.map_extra = 1;
    assert_eq!(text(&extra), "map x: map_extra 0x1 is not for array");
    assert!(Map::new(&MapDef::new("x", MapType::Array, 4, 4, 1), 0).is_err());
}

/// Nothing is allocated for sizes beyond the limit, whatever the type.
#[test]
fn hostile_sizes_exhaust_nothing() {
    let types = MapType::ALL.iter().copied();
    for (map_type, size) in types.flat_map(|t| [1 << 20, 1 << 31, u32::MAX].map(|s| (t, s))) {
        for (key_size, value_size) in [(0, 0), (4, 4), (8, 8), (260, 32768), (size, size)] {
            let mut def = MapDef::new("m", map_type, key_size, value_size, size);
            def.flags = u32::from(map_type == MapType::LpmTrie);
            let mut limits = Limits { bytes: 1 << 20 };
            // Only queues are short enough: entries beyond the last CPU have none.
            let made = Map::within(&def, 2, &mut limits).is_ok();
            assert!(!made || map_type == MapType::PerfEventArray, "{map_type} {value_size}");
            assert!(Map::within(&def, u32::MAX, &mut limits).is_err(), "{map_type} {value_size}");
        }
    }
}

#[test]
fn maps_share_what_the_limits_leave() {
    let mut limits = Limits { bytes: 100 };
    let def = MapDef::new("m", MapType::Array, 4, 10, 4);
    Map::within(&def, 1, &mut limits).unwrap();
    assert_eq!(limits.bytes, 36);
    let error = Map::within(&def, 1, &mut limits).err().unwrap();
    assert_eq!(error, MapError::Memory { map: "m".into(), asked: 64, left: 36 });
    assert_eq!((error.errno(), limits.bytes), (Errno::ENOMEM, 36));
}

#[test]
fn data_sections_have_their_content_and_access() {
    let mut def = MapDef::new(".rodata", MapType::Array, 4, 5, 1);
    def.initial = Initial::Value(b"hello".to_vec());
    def.data = Some(DataKind::Rodata);
    let map = Map::new(&def, 1).unwrap();
    assert_eq!(map.prog_access(), ProgAccess { read: true, write: false });
    let Map::KeyValue(values) = &map else { panic!() };
    let mut out = Vec::new();
    values.lookup_user(&[0; 4], &mut out).unwrap();
    assert_eq!((&out[..], map.def()), (&b"hello"[..], &def));

    for len in [0, 4, 6] {
        def.initial = Initial::Value(vec![0; len]);
        assert!(Map::new(&def, 1).is_err(), "{len}");
    }
    let table = [(0, true, true), (1 << 7, true, false), (1 << 8, false, true)];
    for (flags, read, write) in table {
        let mut def = MapDef::new("m", MapType::Hash, 4, 5, 1);
        def.flags = flags;
        assert_eq!(ProgAccess::of(&def), ProgAccess { read, write });
    }
}

/// Kernel: `htab_map_alloc`, for orders of use of each CPU.
#[test]
fn orders_for_each_cpu_round_the_entries_up() {
    for (max_entries, cpus, rounded) in [(10, 4, 12), (12, 4, 12), (1, 3, 3), (7, 1, 7)] {
        let mut def = MapDef::new("m", MapType::LruHash, 4, 4, max_entries);
        let entries = |def: &MapDef| Map::new(def, cpus).unwrap().def().max_entries;
        assert_eq!(entries(&def), max_entries);
        def.flags = 2;
        assert_eq!(entries(&def), rounded, "{max_entries} {cpus}");
    }
}

#[test]
fn extra_words_of_filters_and_arenas() {
    let filter = MapDef::new("m", MapType::BloomFilter, 0, 4, 1);
    let arena = MapDef { flags: 1 << 10, ..MapDef::new("m", MapType::Arena, 0, 0, 2) };
    let table = [
        (&filter, 0, OK),
        (&filter, 15, OK),
        (&filter, 16, INVAL),
        (&arena, 4096, OK),
        (&arena, 1, INVAL),
        (&arena, 0xffff_e000, OK),
        (&arena, 0xffff_f000, Err(Errno::ERANGE)),
    ];
    for (def, map_extra, expected) in table {
        let def = MapDef { map_extra, ..def.clone() };
        let made = Map::new(&def, 2).map(drop).map_err(|error| error.errno());
        assert_eq!(made, expected, "{} {map_extra:#x}", def.map_type);
    }
}
