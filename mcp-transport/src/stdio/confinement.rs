//! A sandbox as the kernel takes it: prepared here, entered by the child before it becomes the
//! program.

use std::{
    ffi::c_int,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};

use super::sandbox::{DEVICES, SYSTEM, Sandbox, refused};
use crate::ConnectError;

/// The kernel must know this much: rules for moving, linking and truncating files.
const NEEDED: ABI = ABI::V3;
/// Known to newer kernels only: no sockets without a name and no signals to processes outside.
const WISHED: ABI = ABI::V6;

/// Set in the number of a system call that is made in the x32 way.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Bounds that a process can only enter, and never leave.
#[derive(Debug)]
pub(super) struct Confinement {
    ruleset: OwnedFd,
    /// Empty when the network is open.
    filter: Vec<libc::sock_filter>,
    limits: Vec<(Resource, Rlimit)>,
}

impl Confinement {
    /// Prepares the bounds around a program that is to start in `folder`.
    ///
    /// # Errors
    /// The kernel cannot keep them, or a path of the user does not exist.
    pub(super) fn new(
        sandbox: &Sandbox,
        folder: &Path,
        program: &Path,
    ) -> Result<Self, ConnectError> {
        for path in sandbox.readable.iter().chain(&sandbox.writable) {
            if let Err(error) = path.metadata() {
                return Err(refused(format!("{} cannot be allowed: {error}", path.display())));
            }
        }
        let unable = |error: RulesetError| refused(format!("this kernel cannot keep it: {error}"));
        let ruleset = rules(sandbox, folder, program).map_err(unable)?;
        let ruleset = ruleset.ok_or_else(|| refused("this kernel has no Landlock"))?;
        let filter = if sandbox.network { Vec::new() } else { no_sockets()? };
        Ok(Self { ruleset, filter, limits: limits(sandbox) })
    }

    /// Enters the bounds, for good.
    ///
    /// Called in a child that shares this process's memory, so it makes system calls and nothing
    /// else: it allocates nothing and takes no lock.
    ///
    /// # Errors
    /// The number of the error of the first bound that could not be entered.
    #[expect(unsafe_code, reason = "no safe interface enters bounds without allocating")]
    pub(super) fn enter(&self) -> Result<(), c_int> {
        for (resource, limit) in &self.limits {
            setrlimit(*resource, *limit).map_err(rustix::io::Errno::raw_os_error)?;
        }
        // SAFETY: plain system calls. They change this task alone, which is to become the program;
        // the descriptor is open, and `program` points to `self.filter`, both for the whole call.
        // The kernel copies the filter.
        unsafe {
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
                return Err(*libc::__errno_location());
            }
            let ruleset = self.ruleset.as_raw_fd();
            if libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) != 0 {
                return Err(*libc::__errno_location());
            }
            if self.filter.is_empty() {
                return Ok(());
            }
            let program = libc::sock_fprog {
                // A filter has at most 4096 instructions.
                len: u16::try_from(self.filter.len()).map_err(|_| libc::EINVAL)?,
                filter: self.filter.as_ptr().cast_mut(),
            };
            if libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
            {
                return Err(*libc::__errno_location());
            }
        }
        Ok(())
    }
}

/// The files that may be touched.
fn rules(
    sandbox: &Sandbox,
    folder: &Path,
    program: &Path,
) -> Result<Option<OwnedFd>, RulesetError> {
    let all = AccessFs::from_all(NEEDED);
    let read = AccessFs::from_read(NEEDED);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(all)?
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(WISHED))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(places_of(program), read))?
        .add_rules(path_beneath_rules(&sandbox.readable, read))?
        .add_rules(path_beneath_rules(DEVICES, AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&sandbox.writable, all))?
        .add_rules(path_beneath_rules([folder], all))?;
    Ok(ruleset.into())
}

/// Where a program and its libraries lie: its folder, and the `lib` beside a `bin`. Never what is
/// above them, which may be somebody's home.
fn places_of(program: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for file in [Some(program.to_owned()), program.canonicalize().ok()].into_iter().flatten() {
        let Some(folder) = file.parent() else { continue };
        if folder.file_name().is_some_and(|name| name == "bin")
            && let Some(above) = folder.parent()
        {
            places.push(above.join("lib"));
        }
        places.push(folder.to_owned());
    }
    places
}

/// Refuses to make sockets. A pair of connected ones is allowed: it leads nowhere.
fn no_sockets() -> Result<Vec<libc::sock_filter>, ConnectError> {
    // The second way to make a socket is a queue of orders to the kernel.
    let mut calls = vec![libc::SYS_socket, libc::SYS_io_uring_setup];
    #[cfg(target_arch = "x86_64")]
    calls.extend([libc::SYS_socket | X32, libc::SYS_io_uring_setup | X32]);
    let unable = |error: seccompiler::BackendError| refused(format!("no filter: {error}"));
    let target: TargetArch = std::env::consts::ARCH.try_into().map_err(unable)?;
    let any: Vec<SeccompRule> = Vec::new();
    let rules = calls.into_iter().map(|call| (call, any.clone())).collect();
    let denied = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, target).map_err(unable)?;
    let program: BpfProgram = filter.try_into().map_err(unable)?;
    let instruction = |one: seccompiler::sock_filter| libc::sock_filter {
        code: one.code,
        jt: one.jt,
        jf: one.jf,
        k: one.k,
    };
    Ok(program.into_iter().map(instruction).collect())
}

fn limits(sandbox: &Sandbox) -> Vec<(Resource, Rlimit)> {
    let wanted = [
        (Resource::As, sandbox.memory_bytes),
        (Resource::Fsize, sandbox.file_bytes),
        (Resource::Nofile, sandbox.open_files),
        (Resource::Cpu, sandbox.cpu_time.map(|time| time.as_secs().max(1))),
        // A dump of its memory would hold its secrets.
        (Resource::Core, Some(0)),
    ];
    let both = |(resource, limit): (Resource, Option<u64>)| {
        Some((resource, Rlimit { current: Some(limit?), maximum: Some(limit?) }))
    };
    wanted.into_iter().filter_map(both).collect()
}
