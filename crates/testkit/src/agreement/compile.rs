//! The kernel's selftests as objects.

use crate::agreement::Target;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{fs, io};

/// Where the sources are and where the objects go.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// A kernel tree, `/usr/src/linux-source-6.12`. What it lacks is taken from the archive beside it.
    pub source: PathBuf,
    /// A directory of its own.
    pub out: PathBuf,
}

/// What came of compiling.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// Objects, by name.
    pub objects: Vec<PathBuf>,
    /// Sources that the compiler refuses, with its first error.
    pub failed: Vec<(String, String)>,
}

/// Parts of the kernel tree that the build reads.
const PARTS: &[&str] = &[
    "tools/testing/selftests/bpf",
    "tools/include",
    "tools/lib/bpf",
    "tools/arch/x86",
    "scripts/bpf_doc.py",
    "samples/bpf",
];

impl Corpus {
    /// The tests.
    #[must_use]
    pub fn tests(&self) -> PathBuf {
        self.source.join("tools/testing/selftests/bpf")
    }

    /// Headers made for the build: the running kernel's types, libbpf's headers.
    #[must_use]
    pub fn headers(&self) -> PathBuf {
        self.out.join("inc")
    }

    /// Makes sure that sources and headers are there.
    ///
    /// # Errors
    /// If a tool fails or a file cannot be written.
    pub fn prepare(&self, target: &Target) -> io::Result<()> {
        self.unpack()?;
        let headers = self.headers();
        fs::create_dir_all(headers.join("bpf"))?;
        let types = headers.join("vmlinux.h");
        if !types.exists() {
            fs::write(types, skep_btf::dump_c(&target.btf).map_err(io::Error::other)?)?;
        }
        for entry in fs::read_dir(self.source.join("tools/lib/bpf"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ext| ext == "h") {
                let name = path.file_name().unwrap_or_default();
                fs::copy(&path, headers.join("bpf").join(name))?;
            }
        }
        let kernel = self.out.join("kernel");
        fs::create_dir_all(&kernel)?;
        if !kernel.join("uapi").exists() {
            std::os::unix::fs::symlink("/usr/include", kernel.join("uapi"))?;
        }
        let helpers = Command::new("python3")
            .arg(self.source.join("scripts/bpf_doc.py"))
            .args(["--header", "--filename"])
            .arg(self.source.join("tools/include/uapi/linux/bpf.h"))
            .output()?;
        if !helpers.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&helpers.stderr).into_owned()));
        }
        fs::write(headers.join("bpf/bpf_helper_defs.h"), helpers.stdout)
    }

    fn unpack(&self) -> io::Result<()> {
        let missing: Vec<_> =
            PARTS.iter().filter(|part| !self.source.join(part).exists()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let archive = self.source.with_extension("12.tar.xz");
        let (dir, name) = (self.source.parent(), self.source.file_name());
        let (Some(dir), Some(name)) = (dir, name) else {
            return Err(io::Error::other("the kernel tree has no parent directory"));
        };
        let mut tar = Command::new("tar");
        tar.arg("xf").arg(archive).arg("-C").arg(dir);
        tar.args(missing.iter().map(|part| Path::new(name).join(part)));
        match tar.status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other("the kernel's archive cannot be unpacked")),
        }
    }
}

/// Compiles the sources of a directory that are not compiled yet, two at a time.
///
/// # Errors
/// If the compiler cannot be started.
pub fn compile(
    corpus: &Corpus,
    sources: &[PathBuf],
    cpu: &str,
    out: &Path,
) -> io::Result<Compiled> {
    fs::create_dir_all(out)?;
    let includes = system_includes()?;
    let work = Mutex::new(sources.iter());
    let done = Mutex::new(Compiled::default());
    std::thread::scope(|scope| {
        let worker = || -> io::Result<()> {
            loop {
                let Some(source) = work.lock().expect("no worker panics").next() else {
                    return Ok(());
                };
                let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let name = name.trim_end_matches(".bpf").to_string();
                let object = out.join(format!("{name}.o"));
                let failure = match object.exists() {
                    true => None,
                    false => one(corpus, &includes, source, cpu, &object)?,
                };
                let mut done = done.lock().expect("no worker panics");
                match failure {
                    None => done.objects.push(object),
                    Some(why) => done.failed.push((name, why)),
                }
            }
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    let mut done = done.into_inner().expect("no worker panics");
    done.objects.sort();
    done.failed.sort();
    Ok(done)
}

/// As the selftests' Makefile does. Returns the compiler's first error.
fn one(
    corpus: &Corpus,
    includes: &[String],
    source: &Path,
    cpu: &str,
    object: &Path,
) -> io::Result<Option<String>> {
    let tests = corpus.tests();
    let mut clang = Command::new("clang-19");
    clang.current_dir(&tests).args(includes);
    clang.args(["-g", "-O2", "--target=bpf", "-mlittle-endian", "-D__TARGET_ARCH_x86", "-w"]);
    // The tests declare the functions that they call; those of the target may be of another release.
    clang.args(["-std=gnu11", "-fno-strict-aliasing", "-DBPF_NO_KFUNC_PROTOTYPES"]);
    clang.arg("-I").arg(corpus.headers()).arg("-I").arg(&tests);
    clang.arg("-I").arg(corpus.source.join("tools/include/uapi"));
    clang.arg("-I").arg(corpus.source.join("tools/include"));
    let name = source.file_stem().unwrap_or_default();
    if name == "test_l4lb_noinline" || name == "test_xdp_noinline" {
        clang.arg("-fno-inline");
    }
    if source.starts_with(corpus.source.join("samples")) {
        // Headers and names that these have of the kernel itself, where its types do not come along.
        let with_types = source.to_string_lossy().ends_with(".bpf.c");
        if !with_types && !fs::read_to_string(source)?.contains("vmlinux.h") {
            let names = ["u8=__u8", "u16=__u16", "u32=__u32", "u64=__u64", "TASK_COMM_LEN=16"];
            clang.args(names.map(|name| format!("-D{name}")));
        }
        clang.arg("-I").arg(corpus.out.join("kernel"));
    }
    clang.arg(format!("-mcpu={cpu}")).arg("-c").arg(source).arg("-o").arg(object);
    let output = clang.output()?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = text.lines().find(|line| line.contains("error:")).unwrap_or("the compiler fails");
    Ok(Some(first.to_string()))
}

/// What the host's compiler searches, for headers that have no version for BPF.
fn system_includes() -> io::Result<Vec<String>> {
    let output = Command::new("clang-19").args(["-v", "-E", "-x", "c", "/dev/null"]).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let listed = text.lines().skip_while(|line| !line.contains("<...> search starts here"));
    let listed = listed.skip(1).take_while(|line| line.starts_with(' '));
    Ok(listed.flat_map(|line| ["-idirafter".to_string(), line.trim().to_string()]).collect())
}
