//! The current task, and memory that is somebody else's.

use super::{fault, r0};

#[test]
fn the_current_task_is_the_one_of_the_embedder() {
    assert_eq!(r0("call bpf_get_current_pid_tgid\n exit", &mut []), 7 << 32 | 8);
    assert_eq!(r0("call bpf_get_current_uid_gid\n exit", &mut []), 100 << 32 | 1000);
    assert_eq!(r0("call bpf_get_current_cgroup_id\n exit", &mut []), 30);
    for (level, want) in [(0, 1), (1, 20), (2, 30), (3, 0), (-1, 0)] {
        let text = format!("r1 = {level}\n call bpf_get_current_ancestor_cgroup_id\n exit");
        assert_eq!(r0(&text, &mut []), want, "{level}");
    }
}

#[test]
fn a_name_is_cut_or_padded() {
    let comm = |size: u32| {
        let mut mem = [0x55; 20];
        assert_eq!(r0(&format!("r2 = {size}\n call bpf_get_current_comm\n exit"), &mut mem), 0);
        mem
    };
    let mut want = [0x55; 20];
    want[..16].copy_from_slice(b"worker\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(comm(16), want);
    assert_eq!(comm(4)[..5], *b"wor\0U");
    assert_eq!(comm(1)[..2], *b"\0U");
    assert!(fault("r2 = 0\n call bpf_get_current_comm\n exit", &mut [0]).contains("above 0"));
    assert!(fault("r2 = 9\n call bpf_get_current_comm\n exit", &mut [0; 8]).contains("of memory"));
}

#[test]
fn a_namespace_of_processes_is_named_by_device_and_inode() {
    let text = |dev: u32, inode: u32, size: u32| {
        format!(
            "r3 = r1\n r1 = {dev}\n r2 = {inode}\n r4 = {size}\n call bpf_get_ns_current_pid_tgid\n exit"
        )
    };
    let mut mem = [0x55; 16];
    assert_eq!(r0(&text(4, 99, 8), &mut mem), 0);
    assert_eq!(mem[..9], [8, 0, 0, 0, 7, 0, 0, 0, 0x55]);
    for (dev, inode, size) in [(5, 99, 8), (4, 98, 8), (4, 99, 7)] {
        let mut mem = [0x55; 16];
        assert_eq!(r0(&text(dev, inode, size), &mut mem), -22);
        assert!(mem[..size as usize].iter().all(|&byte| byte == 0));
        assert_eq!(mem[size as usize], 0x55);
    }
}

#[test]
fn user_memory_is_read_as_far_as_there_is_any() {
    let copy =
        |src: &str, size: u32| format!("r3 = {src}\n r2 = {size}\n call bpf_copy_from_user\n exit");
    let mut mem = *b"________abc\0";
    let text = format!("r3 = r1\n r3 += 8\n {}", copy("r3", 4));
    assert_eq!(r0(&text, &mut mem), 0);
    assert_eq!(mem, *b"abc\0____abc\0");
    assert_eq!(r0(&copy("8", 4), &mut mem), -14);
    assert_eq!(mem[..5], *b"\0\0\0\0_");

    let text = |flags: u32, size: u32| {
        format!(
            "r3 = r1\n r3 += 8\n r2 = {size}\n r4 = {flags}\n call @bpf_copy_from_user_str\n exit"
        )
    };
    let run = |flags, size| {
        let mut mem = *b"________abc\0";
        (r0(&text(flags, size), &mut mem), mem[..8].to_vec())
    };
    assert_eq!(run(0, 8), (4, b"abc\0____".to_vec()));
    assert_eq!(run(1, 8), (4, b"abc\0\0\0\0\0".to_vec()));
    assert_eq!(run(0, 3), (3, b"ab\0_____".to_vec()));
    assert_eq!(run(0, 0), (0, b"________".to_vec()));
    assert_eq!(run(2, 8), (-22, b"________".to_vec()));
}

#[test]
fn what_is_refused_says_why() {
    let refused = |helper: &str| {
        let prog = super::prog(&format!("call {helper}\n exit"));
        super::load(&prog).err().map(|err| err.to_string()).unwrap_or_default()
    };
    assert_eq!(
        refused("bpf_probe_write_user"),
        "test, insn 0: no helper 36 (probe_write_user) in the user engine: \
         a program run here has no memory of others to write"
    );
    assert!(refused("bpf_send_signal").ends_with("sends no signals"));
}
