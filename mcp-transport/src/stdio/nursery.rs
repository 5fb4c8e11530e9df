//! The thread that starts child processes, waits for them and finishes them off.
//!
//! It is one thread for the whole program, started with the first child and never ended, for two
//! reasons. Linux sends the parent-death signal when the *thread* that forked ends, so a child
//! started from a thread of a pool would be killed at some random time. And a child whose owner is
//! dropped must still be killed and reaped when there is no runtime any more.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group,
        test_kill_process_group, waitid, waitpid,
    },
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::launch::{Launch, Launched};

/// How often to look where the kernel cannot tell: leftovers of a group, and children on systems
/// without process descriptors.
const TICK: Duration = Duration::from_millis(10);

/// How far a child has come. The status is missing when somebody else reaped the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    /// It has exited, but others of its process group are still there.
    Exited(Option<ExitStatus>),
    /// It is reaped, and its process group is empty or was sent SIGKILL.
    Gone(Option<ExitStatus>),
}

/// A child that was just started.
#[derive(Debug)]
pub(super) struct Newborn {
    pub(super) stdin: PipeWriter,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
    pub(super) life: Life,
}

/// The hold on a child. Dropping it ends the child.
#[derive(Debug)]
pub(super) struct Life {
    signals: Signals,
    stage: watch::Receiver<Stage>,
}

/// A way to signal a child's process group, which does not keep the child alive.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    group: Arc<Group>,
    grace: Duration,
    nursery: Arc<Doorbell>,
}

/// A process group that is named by its leader's process id.
#[derive(Debug)]
struct Group {
    leader: Pid,
    /// While the leader is not reaped its number cannot be reused, so signalling the group is safe.
    /// The lock keeps the two apart.
    reaped: Mutex<bool>,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.reaped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals the group unless its leader is reaped.
    fn signal(&self, signal: Signal) {
        let reaped = self.lock();
        if !*reaped {
            deliver(self.leader, signal);
        }
    }
}

impl Life {
    pub(super) fn pid(&self) -> u32 {
        self.signals.group.leader.as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if matches!(*self.stage.borrow(), Stage::Gone(_)) {
            return;
        }
        if cfg!(target_os = "linux") {
            self.signals.end();
        } else {
            // Nothing would kill it if this program ended within the grace.
            self.signals.kill();
        }
    }
}

impl Signals {
    /// Asks the whole group to end.
    pub(super) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// Kills the whole group.
    pub(super) fn kill(&self) {
        self.group.signal(Signal::KILL);
    }

    /// Asks the whole group to end, and has it killed after the grace. Waits for nothing.
    pub(super) fn end(&self) {
        self.terminate();
        self.nursery.order(Order::KillAfter(self.group.leader, self.grace));
    }
}

/// Starts a child in a process group of its own.
///
/// `grace` is the time between SIGTERM and SIGKILL when the
/// child is dropped or leaves others of its group behind.
///
/// # Cancel safety
/// Dropping the future ends the child if it was started.
pub(super) async fn spawn(launch: Launch, grace: Duration) -> io::Result<Newborn> {
    let (reply, answer) = oneshot::channel();
    let nursery = nursery()?;
    nursery.order(Order::Spawn { launch, grace, reply });
    answer.await.map_err(|_| io::Error::other("the thread that starts processes has ended"))?
}

enum Order {
    Spawn { launch: Launch, grace: Duration, reply: oneshot::Sender<io::Result<Newborn>> },
    KillAfter(Pid, Duration),
}

/// How others talk to the thread.
#[derive(Debug)]
struct Doorbell {
    orders: mpsc::Sender<Order>,
    bell: PipeWriter,
}

impl Doorbell {
    fn order(&self, order: Order) {
        // The thread never ends while the program runs. Should it, a spawn sees its answer missing,
        // and a killing is left to the kernel.
        if self.orders.send(order).is_ok() {
            let _ = (&self.bell).write(b"!");
        }
    }
}

fn nursery() -> io::Result<Arc<Doorbell>> {
    static NURSERY: Mutex<Option<Arc<Doorbell>>> = Mutex::new(None);
    let mut nursery = NURSERY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(nursery) = &*nursery {
        return Ok(Arc::clone(nursery));
    }
    let (heard, bell) = io::pipe()?;
    let (orders, received) = mpsc::channel();
    let doorbell = Arc::new(Doorbell { orders, bell });
    let theirs = Arc::clone(&doorbell);
    thread::Builder::new()
        .name("mcp-children".to_owned())
        .stack_size(128 << 10)
        .spawn(move || Nursery { received, heard, wards: Vec::new(), doorbell: theirs }.run())?;
    *nursery = Some(Arc::clone(&doorbell));
    Ok(doorbell)
}

struct Nursery {
    received: mpsc::Receiver<Order>,
    heard: PipeReader,
    wards: Vec<Ward>,
    doorbell: Arc<Doorbell>,
}

/// One child that is watched.
struct Ward {
    group: Arc<Group>,
    /// Becomes readable when the child exits, where the system has such a thing.
    exit: Option<OwnedFd>,
    stage: watch::Sender<Stage>,
    grace: Duration,
    kill_at: Option<Instant>,
}

impl Nursery {
    fn run(mut self) {
        loop {
            self.wait();
            while let Ok(order) = self.received.try_recv() {
                match order {
                    Order::Spawn { launch, grace, reply } => {
                        // Without a receiver the child is dropped here, which ends it.
                        let _ = reply.send(self.spawn(&launch, grace));
                    }
                    Order::KillAfter(leader, grace) => {
                        if let Some(ward) =
                            self.wards.iter_mut().find(|ward| ward.group.leader == leader)
                        {
                            ward.kill_at.get_or_insert(Instant::now() + grace);
                        }
                    }
                }
            }
            self.wards.retain_mut(Ward::look_after);
        }
    }

    /// Waits for an order, an exit or a deadline.
    fn wait(&mut self) {
        let now = Instant::now();
        let timeout = self.wards.iter().filter_map(|ward| ward.wakes_in(now)).min();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut descriptors = Vec::with_capacity(1 + self.wards.len());
        descriptors.push(PollFd::new(&self.heard, PollFlags::IN));
        for ward in &self.wards {
            if let (Some(exit), false) = (&ward.exit, ward.has_exited()) {
                descriptors.push(PollFd::new(exit, PollFlags::IN));
            }
        }
        let woken = poll(&mut descriptors, timeout.as_ref());
        let rung = descriptors[0].revents().contains(PollFlags::IN);
        drop(descriptors);
        match woken {
            Ok(_) if rung => {
                // Several rings are one; what was ordered is in the channel.
                let _ = self.heard.read(&mut [0; 64]);
            }
            Ok(_) | Err(Errno::INTR) => {}
            // Only a lack of memory is left; looking again a little later is all one can do.
            Err(_) => thread::sleep(TICK),
        }
    }

    fn spawn(&mut self, launch: &Launch, grace: Duration) -> io::Result<Newborn> {
        let Launched { pid: leader, stdin, stdout, stderr } = launch.start()?;
        let group = Arc::new(Group { leader, reaped: Mutex::new(false) });
        let (sender, stage) = watch::channel(Stage::Running);
        self.wards.push(Ward {
            group: Arc::clone(&group),
            exit: exit_descriptor(leader),
            stage: sender,
            grace,
            kill_at: None,
        });
        let signals = Signals { group, grace, nursery: Arc::clone(&self.doorbell) };
        let life = Life { signals, stage };
        Ok(Newborn { stdin, stdout, stderr, life })
    }
}

impl Ward {
    fn has_exited(&self) -> bool {
        *self.stage.borrow() != Stage::Running
    }

    fn wakes_in(&self, now: Instant) -> Option<Duration> {
        let deadline = self.kill_at.map(|at| at.saturating_duration_since(now));
        let blind = self.has_exited() || self.exit.is_none();
        if blind { Some(deadline.map_or(TICK, |deadline| deadline.min(TICK))) } else { deadline }
    }

    /// Does what is due. Returns whether there is anything left to look after.
    fn look_after(&mut self) -> bool {
        let late = self.kill_at.is_some_and(|at| at <= Instant::now());
        let stage = *self.stage.borrow();
        match stage {
            Stage::Running => {
                if late {
                    self.group.signal(Signal::KILL);
                    self.kill_at = None;
                }
                self.reap().is_none_or(|status| self.look_after_others(status, false))
            }
            Stage::Exited(status) => self.look_after_others(status, late),
            Stage::Gone(_) => false,
        }
    }

    /// Reaps the child if it has exited. The inner status is missing when somebody else did.
    #[expect(clippy::option_option, reason = "exited or not; status known or not")]
    fn reap(&mut self) -> Option<Option<ExitStatus>> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if let Ok(None) | Err(Errno::INTR) = waitid(WaitId::Pid(self.group.leader), look) {
            return None;
        }
        // Whoever is left in the group has lost its leader and its connection.
        self.group.signal(Signal::TERM);
        let mut reaped = self.group.lock();
        let status = match waitpid(Some(self.group.leader), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => Some(ExitStatus::from_raw(status.as_raw())),
            Ok(None) => return None,
            // Reaped by somebody else, perhaps because SIGCHLD is ignored: how it ended is lost.
            Err(_) => None,
        };
        *reaped = true;
        self.kill_at = Some(Instant::now() + self.grace);
        Some(status)
    }

    /// Looks whether anybody is left in the group of a child that has exited.
    fn look_after_others(&mut self, status: Option<ExitStatus>, late: bool) -> bool {
        // A group keeps its number as long as it has members, so this one cannot be another's.
        let left = test_kill_process_group(self.group.leader).is_ok();
        if left && late {
            deliver(self.group.leader, Signal::KILL);
        }
        // ## Running => Exited, Running or Exited => Gone
        let waits = left && !late;
        let stage = if waits { Stage::Exited(status) } else { Stage::Gone(status) };
        self.stage.send_if_modified(|old| std::mem::replace(old, stage) != stage);
        waits
    }
}

fn deliver(group: Pid, signal: Signal) {
    match kill_process_group(group, signal) {
        // There is nobody left, or only those that changed their user.
        Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
        Err(error) => tracing::warn!(%error, ?group, ?signal, "cannot signal a process group"),
    }
}

#[cfg(target_os = "linux")]
fn exit_descriptor(leader: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(leader, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn exit_descriptor(_: Pid) -> Option<OwnedFd> {
    None
}
