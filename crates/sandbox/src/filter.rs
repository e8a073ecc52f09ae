//! Which system calls a program may make: a list of those allowed; any other does not exist for it.
//!
//! An allow-list, because kernels gain calls faster than lists of dangerous ones do, and because a
//! call made through another calling convention (x32) has a number that no list names. What is
//! not on it answers `ENOSYS`, so that libraries fall back as on an older kernel: the C library
//! from `clone3`, whose flags a filter cannot read, to `clone`, whose flags it can.
//!
//! Not there, among others: `ptrace`, `process_vm_readv`, `mount` and its kin, `unshare`, `setns`,
//! `socket`, `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_setup`, `keyctl`, `kexec_load`,
//! `personality`, `open_by_handle_at`, `memfd_create`, System V shared memory, modules and swap.

use std::collections::BTreeMap;

use libc::{
    SYS_brk, SYS_capget, SYS_chdir, SYS_clock_getres, SYS_clock_gettime, SYS_clock_nanosleep,
    SYS_clone, SYS_close, SYS_close_range, SYS_copy_file_range, SYS_dup, SYS_dup3,
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_execve,
    SYS_exit, SYS_exit_group, SYS_faccessat, SYS_faccessat2, SYS_fadvise64, SYS_fallocate,
    SYS_fchdir, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fcntl, SYS_fdatasync,
    SYS_flock, SYS_fstat, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_futex, SYS_futex_waitv,
    SYS_get_mempolicy, SYS_get_robust_list, SYS_getcpu, SYS_getcwd, SYS_getdents64, SYS_getegid,
    SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getitimer, SYS_getpeername, SYS_getpgid,
    SYS_getpid, SYS_getppid, SYS_getpriority, SYS_getrandom, SYS_getresgid, SYS_getresuid,
    SYS_getrusage, SYS_getsid, SYS_getsockname, SYS_getsockopt, SYS_gettid, SYS_gettimeofday,
    SYS_getuid, SYS_ioctl, SYS_kill, SYS_linkat, SYS_lseek, SYS_madvise, SYS_membarrier,
    SYS_mincore, SYS_mkdirat, SYS_mlock, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_msync,
    SYS_munlock, SYS_munmap, SYS_nanosleep, SYS_newfstatat, SYS_openat, SYS_pipe2, SYS_ppoll,
    SYS_prctl, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_prlimit64, SYS_pselect6, SYS_pwrite64,
    SYS_pwritev, SYS_pwritev2, SYS_read, SYS_readahead, SYS_readlinkat, SYS_readv, SYS_recvfrom,
    SYS_recvmsg, SYS_renameat, SYS_renameat2, SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction,
    SYS_rt_sigpending, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_setaffinity,
    SYS_sched_yield, SYS_sendfile, SYS_sendmsg, SYS_sendto, SYS_set_robust_list,
    SYS_set_tid_address, SYS_setitimer, SYS_setpgid, SYS_setpriority, SYS_setsid, SYS_setsockopt,
    SYS_shutdown, SYS_sigaltstack, SYS_signalfd4, SYS_socketpair, SYS_statfs, SYS_statx,
    SYS_symlinkat, SYS_sysinfo, SYS_tgkill, SYS_timer_create, SYS_timer_delete,
    SYS_timer_getoverrun, SYS_timer_gettime, SYS_timer_settime, SYS_timerfd_create,
    SYS_timerfd_gettime, SYS_timerfd_settime, SYS_times, SYS_tkill, SYS_truncate, SYS_umask,
    SYS_uname, SYS_unlinkat, SYS_utimensat, SYS_wait4, SYS_waitid, SYS_write, SYS_writev, c_long,
};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Allowed whatever their arguments: files that are there, memory, threads, signals to one's own
/// processes (the namespace holds no others), time, waiting.
const ALLOWED: &[c_long] = &[
    SYS_brk,
    SYS_capget,
    SYS_chdir,
    SYS_clock_getres,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_close,
    SYS_close_range,
    SYS_copy_file_range,
    SYS_dup,
    SYS_dup3,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_execve,
    SYS_exit,
    SYS_exit_group,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fadvise64,
    SYS_fallocate,
    SYS_fchdir,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_fcntl,
    SYS_fdatasync,
    SYS_flock,
    SYS_fstat,
    SYS_fstatfs,
    SYS_fsync,
    SYS_ftruncate,
    SYS_futex,
    SYS_futex_waitv,
    SYS_get_mempolicy,
    SYS_get_robust_list,
    SYS_getcpu,
    SYS_getcwd,
    SYS_getdents64,
    SYS_getegid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getgroups,
    SYS_getitimer,
    SYS_getpeername,
    SYS_getpgid,
    SYS_getpid,
    SYS_getppid,
    SYS_getpriority,
    SYS_getrandom,
    SYS_getresgid,
    SYS_getresuid,
    SYS_getrusage,
    SYS_getsid,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_gettid,
    SYS_gettimeofday,
    SYS_getuid,
    SYS_kill,
    SYS_linkat,
    SYS_lseek,
    SYS_madvise,
    SYS_membarrier,
    SYS_mincore,
    SYS_mkdirat,
    SYS_mlock,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_msync,
    SYS_munlock,
    SYS_munmap,
    SYS_nanosleep,
    SYS_newfstatat,
    SYS_openat,
    SYS_pipe2,
    SYS_ppoll,
    SYS_pread64,
    SYS_preadv,
    SYS_preadv2,
    SYS_pselect6,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_pwritev2,
    SYS_read,
    SYS_readahead,
    SYS_readlinkat,
    SYS_readv,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_renameat,
    SYS_renameat2,
    SYS_restart_syscall,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigpending,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_setaffinity,
    SYS_sched_yield,
    SYS_sendfile,
    SYS_sendmsg,
    SYS_sendto,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_setitimer,
    SYS_setpgid,
    SYS_setpriority,
    SYS_setsid,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_sigaltstack,
    SYS_signalfd4,
    SYS_statfs,
    SYS_statx,
    SYS_symlinkat,
    SYS_sysinfo,
    SYS_tgkill,
    SYS_timer_create,
    SYS_timer_delete,
    SYS_timer_getoverrun,
    SYS_timer_gettime,
    SYS_timer_settime,
    SYS_timerfd_create,
    SYS_timerfd_gettime,
    SYS_timerfd_settime,
    SYS_times,
    SYS_tkill,
    SYS_truncate,
    SYS_umask,
    SYS_uname,
    SYS_unlinkat,
    SYS_utimensat,
    SYS_wait4,
    SYS_waitid,
    SYS_write,
    SYS_writev,
];

/// What only this architecture has: older forms of those above.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_creat,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_fork,
    libc::SYS_futimesat,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_lchown,
    libc::SYS_link,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_signalfd,
    libc::SYS_stat,
    libc::SYS_symlink,
    libc::SYS_time,
    libc::SYS_unlink,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];

/// What only this architecture has.
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// `clone` with any of these makes a namespace, or a process that is traced.
const NAMESPACES: i32 = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS
    | libc::CLONE_PTRACE;

/// `prctl` names a thread, or ties a process to its parent.
const PRCTL: &[i32] =
    &[libc::PR_GET_DUMPABLE, libc::PR_GET_NAME, libc::PR_SET_NAME, libc::PR_SET_PDEATHSIG];

/// `ioctl` asks whether a file is a terminal, how much can be read, and sets how a file is shared.
const IOCTL: &[u64] = &[0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451];

/// The filter in the form in which the kernel takes it: `struct sock_filter`, one after another.
///
/// # Errors
///
/// If the architecture is not one that filters can be made for.
pub(crate) fn bytes() -> Result<Vec<u8>, Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(
        rules()?,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        SeccompAction::Allow,
        arch,
    )?;
    let program: BpfProgram = filter.try_into()?;
    let mut bytes = Vec::new();
    for it in program {
        bytes.extend(it.code.to_ne_bytes());
        bytes.extend([it.jt, it.jf]);
        bytes.extend(it.k.to_ne_bytes());
    }
    Ok(bytes)
}

fn rules() -> Result<BTreeMap<c_long, Vec<SeccompRule>>, Error> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    let flags = u64::from(NAMESPACES.unsigned_abs());
    rules.insert(SYS_clone, vec![when(0, SeccompCmpOp::MaskedEq(flags), 0)?]);
    let unix = u64::from(libc::AF_UNIX.unsigned_abs());
    rules.insert(SYS_socketpair, vec![when(0, SeccompCmpOp::Eq, unix)?]);
    // Limits can be read, not changed: the third argument is what they would become.
    rules.insert(SYS_prlimit64, vec![when(2, SeccompCmpOp::Eq, 0)?]);
    let options = PRCTL.iter().map(|it| when(0, SeccompCmpOp::Eq, u64::from(it.unsigned_abs())));
    rules.insert(SYS_prctl, options.collect::<Result<_, _>>()?);
    let requests = IOCTL.iter().map(|it| when(1, SeccompCmpOp::Eq, *it));
    rules.insert(SYS_ioctl, requests.collect::<Result<_, _>>()?);
    Ok(rules)
}

fn when(argument: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, comparison, value)?;
    SeccompRule::new(vec![condition]).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::{bytes, rules};

    #[test]
    fn the_filter_is_within_what_the_kernel_takes() {
        let size = bytes().unwrap().len();

        assert_eq!(size % 8, 0);
        assert!(size / 8 < 4096, "{} instructions", size / 8);
    }

    #[test]
    fn dangerous_calls_are_not_on_the_list() {
        let rules = rules().unwrap();
        for call in [
            libc::SYS_add_key,
            libc::SYS_bpf,
            libc::SYS_chroot,
            libc::SYS_clone3,
            libc::SYS_delete_module,
            libc::SYS_finit_module,
            libc::SYS_fsmount,
            libc::SYS_fsopen,
            libc::SYS_init_module,
            libc::SYS_io_uring_setup,
            libc::SYS_kcmp,
            libc::SYS_kexec_load,
            libc::SYS_keyctl,
            libc::SYS_memfd_create,
            libc::SYS_mount,
            libc::SYS_move_mount,
            libc::SYS_name_to_handle_at,
            libc::SYS_open_by_handle_at,
            libc::SYS_open_tree,
            libc::SYS_perf_event_open,
            libc::SYS_personality,
            libc::SYS_pidfd_getfd,
            libc::SYS_pidfd_open,
            libc::SYS_pivot_root,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_ptrace,
            libc::SYS_reboot,
            libc::SYS_request_key,
            libc::SYS_seccomp,
            libc::SYS_setns,
            libc::SYS_shmget,
            libc::SYS_socket,
            libc::SYS_swapon,
            libc::SYS_syslog,
            libc::SYS_umount2,
            libc::SYS_unshare,
            libc::SYS_userfaultfd,
        ] {
            assert!(!rules.contains_key(&call), "call {call}");
        }
    }
}
