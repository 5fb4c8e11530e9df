//! Starting a child on Linux without copying this process.
//!
//! The child must set its parent-death signal before it runs the program. The standard library runs
//! code there only after a real `fork`, which copies the page tables: twice the cost of the whole
//! start in a small process, and far more in a large one. So the child is made as `posix_spawn`
//! makes it: it shares this process's memory (`CLONE_VM`) while the thread that made it sleeps
//! (`CLONE_VFORK`), until it has become the program or has ended.

use std::{
    ffi::{CString, c_char, c_int, c_void},
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, set_parent_process_death_signal, waitpid,
};

#[cfg(feature = "sandbox")]
use super::confinement::Confinement;
use super::launch::Launch;

/// What the child's few calls may use, in units of 16 bytes.
const STACK: usize = (64 << 10) / 16;

/// The kernel's signals are numbered from 1 to this.
const LAST_SIGNAL: c_int = 64;

/// Runs what cannot be executed by itself, as `execvp` would.
const SHELL: &str = "/bin/sh";

/// Starts the program with these descriptors as its standard streams.
///
/// # Errors
/// The program does not run.
pub(super) fn start(launch: &Launch, streams: [OwnedFd; 3]) -> io::Result<Pid> {
    let [stdin, stdout, stderr] = streams;
    let streams = [above_standard(stdin)?, above_standard(stdout)?, above_standard(stderr)?];
    let path = CString::new(launch.path.as_os_str().as_bytes())?;
    let mut arguments = vec![path.clone()];
    for argument in &launch.arguments {
        arguments.push(CString::new(argument.as_bytes())?);
    }
    let mut environment = Vec::with_capacity(launch.environment.len());
    for (name, value) in &launch.environment {
        let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
        environment.push(CString::new(entry)?);
    }
    let folder = match &launch.folder {
        Some(folder) => Some(CString::new(folder.as_os_str().as_bytes())?),
        None => None,
    };
    let program = |path, arguments: &[CString]| {
        make(path, arguments, &environment, folder.as_ref(), &streams, launch)
    };
    let started = program(&path, &arguments);
    if started.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOEXEC)) {
        // A script that does not name its interpreter.
        let shell = CString::new(SHELL)?;
        arguments.insert(0, shell.clone());
        return program(&shell, &arguments);
    }
    started
}

/// The same stream under a number that none of the standard ones can overwrite.
fn above_standard(stream: OwnedFd) -> io::Result<OwnedFd> {
    if stream.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(stream);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&stream, libc::STDERR_FILENO + 1)?)
}

/// What the child works with. Nothing in it is changed while the child lives but `failed`.
struct Orders {
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    /// Null to stay where this process is.
    folder: *const c_char,
    streams: [c_int; 3],
    #[cfg(feature = "sandbox")]
    confinement: Option<*const Confinement>,
    parent: Pid,
    /// The error number when the program could not be run.
    failed: AtomicI32,
}

fn make(
    path: &CString,
    arguments: &[CString],
    environment: &[CString],
    folder: Option<&CString>,
    streams: &[OwnedFd; 3],
    #[cfg_attr(not(feature = "sandbox"), expect(unused_variables, reason = "no bounds to enter"))]
    launch: &Launch,
) -> io::Result<Pid> {
    let pointers = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    let mut stack: Vec<MaybeUninit<u128>> = Vec::with_capacity(STACK);
    let orders = Orders {
        path: path.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        folder: folder.map_or(ptr::null(), |folder| folder.as_ptr()),
        streams: [streams[0].as_raw_fd(), streams[1].as_raw_fd(), streams[2].as_raw_fd()],
        #[cfg(feature = "sandbox")]
        confinement: launch.confinement.as_ref().map(ptr::from_ref),
        parent: getpid(),
        failed: AtomicI32::new(0),
    };
    // SAFETY:
    // - The child runs `become_program` on a stack of its own, whose top is given since stacks grow
    //   down; it is large enough for a few system calls and lives until the child no longer uses
    //   it: with CLONE_VFORK, `clone` returns only when the child has executed the program or has
    //   ended. The same holds for everything `orders` points to.
    // - This thread is stopped meanwhile, so the child may use its thread-local storage, where the
    //   C library keeps `errno`. Other threads go on; the child touches nothing of theirs.
    // - All signals are blocked around the call and so at the start of the child, which unblocks
    //   them only when it has no handlers any more. No handler of this process runs in it.
    // - `become_program` cannot unwind and never returns.
    #[expect(unsafe_code, reason = "no safe interface makes a child that shares memory")]
    let pid = unsafe {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let pid = libc::clone(
            become_program,
            stack.as_mut_ptr().add(STACK).cast::<c_void>(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw const orders).cast_mut().cast::<c_void>(),
        );
        // Kept over the next call, which may change it.
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        if pid < 0 { Err(error) } else { Ok(pid) }
    }?;
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("the child has no number"))?;
    match orders.failed.load(Ordering::Acquire) {
        0 => Ok(pid),
        failed => {
            // It has ended already. If it is gone, somebody else reaped it.
            let _ = waitpid(Some(pid), WaitOptions::empty());
            Err(io::Error::from_raw_os_error(failed))
        }
    }
}

/// The child: becomes the program, or leaves the reason and ends.
extern "C" fn become_program(orders: *mut c_void) -> c_int {
    // SAFETY: called by `make` only, with a pointer to its `orders`, which it does not touch while
    // this runs.
    #[expect(unsafe_code, reason = "`clone` passes a bare pointer")]
    let orders = unsafe { &*orders.cast::<Orders>() };
    // SAFETY: as `make` says, this may run little but system calls and may not use the memory of
    // other threads. It calls only what is safe after `fork` in a program with threads, allocates
    // nothing, takes no lock, and reads what `orders` points to, which outlives it.
    #[expect(unsafe_code, reason = "what the standard library does after `fork`")]
    unsafe {
        reset_signal_handlers();
        if libc::setpgid(0, 0) != 0 {
            give_up(orders, *libc::__errno_location());
        }
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            give_up(orders, error.raw_os_error());
        }
        // If the parent died before the line above no signal will come.
        if getppid() != Some(orders.parent) {
            give_up(orders, libc::ESRCH);
        }
        for (stream, standard) in orders.streams.iter().zip(0..) {
            if libc::dup2(*stream, standard) < 0 {
                give_up(orders, *libc::__errno_location());
            }
        }
        if !orders.folder.is_null() && libc::chdir(orders.folder) != 0 {
            give_up(orders, *libc::__errno_location());
        }
        // Last, since all before needs more rights than what follows.
        #[cfg(feature = "sandbox")]
        if let Some(confinement) = orders.confinement
            && let Err(error) = (*confinement).enter()
        {
            give_up(orders, error);
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        libc::execve(orders.path, orders.arguments, orders.environment);
        give_up(orders, *libc::__errno_location())
    }
}

/// Gives the signals that this process handles their default meaning, in the child only: it shares
/// the memory, not the table of handlers. What this process ignores stays ignored but for SIGPIPE,
/// which Rust programs ignore and others do not expect to be.
#[expect(unsafe_code, reason = "the standard library does not deal with signals")]
unsafe fn reset_signal_handlers() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: plain system calls with memory of this function. They fail, and change nothing,
        // for numbers that the C library keeps to itself.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            if libc::sigaction(signal, ptr::null(), &raw mut action) != 0 {
                continue;
            }
            let handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
            if handled || signal == libc::SIGPIPE {
                action = MaybeUninit::zeroed().assume_init();
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }
}

/// Ends the child and leaves the reason.
fn give_up(orders: &Orders, reason: c_int) -> ! {
    orders.failed.store(reason, Ordering::Release);
    // SAFETY: ends the child without running anything of this process.
    #[expect(unsafe_code, reason = "`process::exit` would run the exit handlers")]
    unsafe {
        libc::_exit(127)
    }
}
