//! Helpers and kernel functions that need no hook, called by programs.

use skep_abi::ProgType;
use skep_prog::{Extern, Prog};
use skep_vm::{
    Env, Input, LoadError, MEM, Machine, Output, SeqFile, Task, Traced, Vm, address, builtin, cells,
};

#[path = "helpers/drain.rs"]
mod drain;
#[path = "helpers/dynptr.rs"]
mod dynptr;
#[path = "helpers/iter.rs"]
mod iter;
#[path = "helpers/kfunc.rs"]
mod kfunc;
#[path = "helpers/object.rs"]
mod object;
#[path = "helpers/seq.rs"]
mod seq;
#[path = "helpers/string.rs"]
mod string;
#[path = "helpers/task.rs"]
mod task;
#[path = "helpers/trace.rs"]
mod trace;

/// A world where time stands still, and somebody in it.
struct World {
    task: Task,
    traced: Option<Traced>,
    file: Option<(u64, SeqFile)>,
}

impl World {
    fn new() -> Self {
        let task = Task {
            tid: 8,
            pid: 7,
            uid: 1000,
            gid: 100,
            comm: b"worker".to_vec(),
            cgroups: vec![1, 20, 30],
            pid_ns: (4, 99),
        };
        Self { task, traced: None, file: None }
    }
}

impl Env for World {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }

    fn random(&mut self) -> u32 {
        0
    }

    fn print(&mut self, _text: String) {}

    fn task(&self) -> &Task {
        &self.task
    }

    fn size_of_type(&self, type_id: u32) -> Option<u32> {
        (type_id == 1).then_some(40)
    }

    fn seq_file(&mut self, addr: u64) -> Option<&mut SeqFile> {
        self.file.as_mut().filter(|file| file.0 == addr).map(|file| &mut file.1)
    }

    fn traced(&self) -> Option<&Traced> {
        self.traced.as_ref()
    }
}

/// A program in which `@name` is a kernel function and `@?name` one that may be absent.
fn prog(text: &str) -> Prog {
    let mut externs: Vec<Extern> = Vec::new();
    let mut asm = String::new();
    for (n, part) in text.split('@').enumerate() {
        let (name, rest) = match n {
            0 => ("", part),
            _ => part.split_at(part.find(|c: char| c.is_whitespace()).unwrap_or(part.len())),
        };
        if !name.is_empty() {
            let (weak, name) = (name.starts_with('?'), name.trim_start_matches('?').to_string());
            asm.push_str(&format!("kfunc {}, -1", externs.len()));
            externs.push(Extern { name, type_id: None, weak });
        }
        asm.push_str(rest);
    }
    let insns = skep_asm::assemble(&asm).unwrap_or_else(|err| panic!("{asm}: {err:?}"));
    Prog { externs, ..Prog::new("test", ProgType::SocketFilter, insns) }
}

fn load(prog: &Prog) -> Result<Machine<World>, LoadError> {
    let mut machine = Machine::new(builtin(), Vec::new());
    machine.load(prog)?;
    Ok(machine)
}

/// Runs with r1 the address of the memory.
fn run_in(text: &str, mem: &mut [u8]) -> Output {
    let machine = load(&prog(text)).unwrap_or_else(|err| panic!("{text}: {err}"));
    let args = [address(MEM, 0), mem.len() as u64, 0, 0, 0];
    let input = Input { args, mem: cells(mem), ..Input::default() };
    Vm::new().run(&machine, 0, &mut World::new(), input)
}

#[track_caller]
fn r0(text: &str, mem: &mut [u8]) -> i64 {
    let output = run_in(text, mem);
    output.result.unwrap_or_else(|fault| panic!("{text}: {fault}")).cast_signed()
}

/// What a program that faults says.
#[track_caller]
fn fault(text: &str, mem: &mut [u8]) -> String {
    run_in(text, mem).result.expect_err(text).kind.to_string()
}
