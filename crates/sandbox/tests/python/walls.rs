//! Attempts to reach anything but inputs and outputs. Each passes outside and fails inside.

use std::{collections::BTreeMap, fs, future::pending, io::Write as _, process::Command};

use serde_json::{Value, json};

use crate::support::{document, json_output, limits, program, python, room};

/// Runs each attempt by itself and notes what became of it.
const HARNESS: &str = r#"
import ctypes, json, os, resource, socket, sys
parameters = json.load(open(sys.argv[1] if len(sys.argv) > 1 else "/job/parameters.json"))
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(*(ctypes.c_long(it) if isinstance(it, int) else it for it in (number, *arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result
said = {}
for name, code in parameters["attempts"].items():
    try:
        exec(code)
        said[name] = "passed"
    except OSError as error:
        said[name] = type(error).__name__ if error.errno is None else os.strerror(error.errno)
    except Exception as error:
        said[name] = type(error).__name__
json.dump(said, open(sys.argv[2] if len(sys.argv) > 2 else "/out/said.json", "w"))
"#;

async fn inside(attempts: &[(&str, String)]) -> Option<BTreeMap<String, String>> {
    let room = room().await?;
    let mut program = program(HARNESS, vec![json_output("said")]);
    program.parameters = parameters(attempts);
    let outcome = room.run(&program, Vec::new(), limits(), pending()).await.unwrap();
    Some(serde_json::from_value(document(&outcome)).unwrap())
}

/// The same attempts without a room.
fn outside(attempts: &[(&str, String)]) -> BTreeMap<String, String> {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name);
    fs::write(file("parameters"), parameters(attempts).to_string()).unwrap();
    fs::write(file("main.py"), HARNESS).unwrap();
    let mut command = Command::new(python().unwrap());
    command.args([file("main.py"), file("parameters"), file("said")]);
    assert!(command.status().unwrap().success());
    serde_json::from_slice(&fs::read(file("said")).unwrap()).unwrap()
}

fn parameters(attempts: &[(&str, String)]) -> Value {
    let attempts: BTreeMap<_, _> = attempts.iter().map(|(name, code)| (*name, code)).collect();
    json!({ "attempts": attempts })
}

/// Asserts that all of them pass outside and none inside.
async fn check(attempts: &[(&str, String)]) {
    let Some(inside) = inside(attempts).await else { return };
    assert_eq!(inside.len(), attempts.len());
    for (name, outcome) in outside(attempts) {
        assert_eq!(outcome, "passed", "outside: {name}");
    }
    for (name, outcome) in inside {
        assert_ne!(outcome, "passed", "inside: {name}");
    }
}

#[tokio::test]
async fn there_is_no_way_to_another_computer_or_process() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let word = crate::support::marker("abstract");
    let address =
        <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
            &word,
        );
    let unix = std::os::unix::net::UnixListener::bind_addr(&address.unwrap()).unwrap();

    check(&[
        ("tcp", format!("socket.create_connection(('127.0.0.1', {port}), 5)")),
        ("udp", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)".to_owned()),
        ("tcp6", "socket.socket(socket.AF_INET6)".to_owned()),
        ("abstract", format!("socket.socket(socket.AF_UNIX).connect('\\0{word}')")),
        ("name", "socket.getaddrinfo('localhost', 80)".to_owned()),
        ("netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)".to_owned()),
        ("signal", format!("os.kill({}, 0)", std::process::id())),
        ("priority", format!("os.getpriority(os.PRIO_PROCESS, {})", std::process::id())),
    ])
    .await;
    drop((tcp, unix));
}

#[tokio::test]
async fn nothing_of_the_host_can_be_seen() {
    // As if it were another job's.
    let place = tempfile::tempdir().unwrap();
    let secret = place.path().join("rows.arrow");
    fs::File::create(&secret).unwrap().write_all(b"li,330106199002291234").unwrap();
    let of = std::process::id();

    check(&[
        ("passwords", "open('/etc/passwd').read()".to_owned()),
        ("another job's", format!("open({:?}).read()", secret.display())),
        ("another job's directory", format!("os.listdir({:?})", place.path())),
        ("environment of the platform", format!("open('/proc/{of}/environ', 'rb').read()")),
        ("own environment", "open('/proc/self/environ', 'rb').read()".to_owned()),
        ("memory of the platform", format!("os.listdir('/proc/{of}/fd')")),
        ("processes", "os.listdir('/proc')".to_owned()),
        ("devices", "os.listdir('/sys')".to_owned()),
        ("logs", "os.listdir('/var')".to_owned()),
        ("programs", "os.stat('/bin/sh')".to_owned()),
    ])
    .await;
    // These pass outside for root only.
    let root: Vec<(&str, String)> = ["/etc/shadow", "/root", "/proc/1/environ", "/run", "/home"]
        .map(|it| (it, format!("os.stat({it:?})")))
        .to_vec();
    let Some(inside) = inside(&root).await else { return };
    assert!(inside.values().all(|it| it == "No such file or directory"), "{inside:?}");
}

#[tokio::test]
async fn what_there_is_is_known() {
    let descriptors = "
there = []
for n in range(1024):
    try:
        os.fstat(n)
        there.append(str(n))
    except OSError:
        pass
said['_files'] = ' '.join(there)
";
    let attempts = [
        ("root", "said['_root'] = ' '.join(sorted(os.listdir('/')))".to_owned()),
        ("devices", "said['_dev'] = ' '.join(sorted(os.listdir('/dev')))".to_owned()),
        ("job", "said['_job'] = ' '.join(sorted(os.listdir('/job')))".to_owned()),
        ("in", "said['_in'] = ' '.join(os.listdir('/in'))".to_owned()),
        ("who", "said['_who'] = f'{os.getuid()} {os.getgid()} {os.getpid() < 9}'".to_owned()),
        ("where", "said['_where'] = f'{os.uname().nodename} {os.getcwd()}'".to_owned()),
        ("files", descriptors.to_owned()),
        ("limits", "said['_core'] = str(resource.getrlimit(resource.RLIMIT_CORE))".to_owned()),
        ("environment", "said['_env'] = ' '.join(sorted(k for k in os.environ if 'SHUYU' in k or 'CARGO' in k))".to_owned()),
    ];
    let Some(inside) = inside(&attempts).await else { return };

    // Below `/home`, `/opt` or the like there may be a runtime.
    let roots: Vec<&str> = inside["_root"].split(' ').collect();
    for there in ["dev", "in", "job", "out", "tmp", "usr"] {
        assert!(roots.contains(&there), "{roots:?}");
    }
    for private in ["boot", "etc", "proc", "run", "sys", "var"] {
        assert!(!roots.contains(&private), "{roots:?}");
    }
    assert_eq!(inside["_dev"], "null random shm urandom zero");
    assert_eq!(inside["_job"], "main.py parameters.json");
    assert_eq!(inside["_in"], "");
    assert_eq!(inside["_who"], "65534 65534 True");
    assert_eq!(inside["_where"], "sandbox /tmp");
    assert_eq!(inside["_files"], "0 1 2");
    assert_eq!(inside["_core"], "(1, 1)");
    assert_eq!(inside["_env"], "");
}

#[tokio::test]
async fn nothing_can_be_written_but_scratch_and_output() {
    let open = |path: &str| format!("open('{path}', 'a')");
    let attempts = [
        ("the root", open("/x")),
        ("devices", open("/dev/x")),
        ("inputs", open("/in/x.arrow")),
        ("the program", open("/job/main.py")),
        ("the parameters", open("/job/parameters.json")),
        ("the library", "open(os.path.join(os.path.dirname(os.__file__), 'x.py'), 'w')".to_owned()),
        ("a module", "open(os.__file__, 'a')".to_owned()),
        ("the interpreter", "open(os.path.realpath(sys.executable), 'a')".to_owned()),
        ("packages", "import json as j; open(os.path.join(sys.prefix, 'x'), 'w')".to_owned()),
        ("another's rights", "os.chmod('/in', 0o777)".to_owned()),
        ("a link to it", "os.link('/job/main.py', '/job/x')".to_owned()),
        ("a device", "os.mknod('/tmp/sda', 0o60600, os.makedev(8, 0))".to_owned()),
        ("a fifo", "os.mkfifo('/tmp/fifo')".to_owned()),
    ];
    let Some(inside) = inside(&attempts).await else { return };

    for (name, outcome) in inside {
        assert_ne!(outcome, "passed", "{name}");
    }
}

#[tokio::test]
async fn dangerous_system_calls_do_not_exist() {
    let calls: &[(&str, i64, &str)] = &[
        ("mount", libc::SYS_mount, "b'none', b'/tmp', b'tmpfs', 0, 0"),
        ("umount2", libc::SYS_umount2, "b'/in', 2"),
        ("pivot_root", libc::SYS_pivot_root, "b'/tmp', b'/tmp'"),
        ("chroot", libc::SYS_chroot, "b'/tmp'"),
        ("fsopen", libc::SYS_fsopen, "b'tmpfs', 0"),
        ("open_tree", libc::SYS_open_tree, "-100, b'/', 1"),
        ("unshare", libc::SYS_unshare, "0x10000000"),
        ("setns", libc::SYS_setns, "0, 0"),
        ("clone into a namespace", libc::SYS_clone, "0x10000000 | 17, 0, 0, 0, 0"),
        ("clone3", libc::SYS_clone3, "0, 0"),
        ("ptrace", libc::SYS_ptrace, "0, 0, 0, 0"),
        ("process_vm_readv", libc::SYS_process_vm_readv, "1, 0, 0, 0, 0, 0"),
        ("process_vm_writev", libc::SYS_process_vm_writev, "1, 0, 0, 0, 0, 0"),
        ("pidfd_open", libc::SYS_pidfd_open, "1, 0"),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, "0, 0, 0"),
        ("kcmp", libc::SYS_kcmp, "1, 1, 0, 0, 0"),
        ("keyctl", libc::SYS_keyctl, "0, -3, 0"),
        ("add_key", libc::SYS_add_key, "b'user', b'x', b'y', 1, -4"),
        ("request_key", libc::SYS_request_key, "b'user', b'x', 0, 0"),
        ("bpf", libc::SYS_bpf, "0, 0, 0"),
        ("perf_event_open", libc::SYS_perf_event_open, "0, 0, -1, -1, 0"),
        ("userfaultfd", libc::SYS_userfaultfd, "1"),
        ("io_uring_setup", libc::SYS_io_uring_setup, "1, 0"),
        ("memfd_create", libc::SYS_memfd_create, "b'x', 0"),
        ("shmget", libc::SYS_shmget, "0, 4096, 0o1600"),
        ("msgget", libc::SYS_msgget, "0, 0o1600"),
        ("kexec_load", libc::SYS_kexec_load, "0, 0, 0, 0"),
        ("init_module", libc::SYS_init_module, "0, 0, b''"),
        ("finit_module", libc::SYS_finit_module, "0, b'', 0"),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, "-100, 0, 0"),
        ("name_to_handle_at", libc::SYS_name_to_handle_at, "-100, b'/', 0, 0, 0"),
        ("personality", libc::SYS_personality, "0xffffffff"),
        ("seccomp", libc::SYS_seccomp, "2, 0, 0"),
        ("prctl of seccomp", libc::SYS_prctl, "21, 0, 0, 0, 0"),
        ("prctl of dumps", libc::SYS_prctl, "4, 1, 0, 0, 0"),
        ("syslog", libc::SYS_syslog, "10, 0, 0"),
        ("swapon", libc::SYS_swapon, "b'/tmp/x', 0"),
        ("reboot", libc::SYS_reboot, "0, 0, 0, 0"),
        ("sethostname", libc::SYS_sethostname, "b'x', 1"),
        ("fanotify_init", libc::SYS_fanotify_init, "0, 0"),
        ("setuid", libc::SYS_setuid, "0"),
        ("socketpair of the internet", libc::SYS_socketpair, "2, 1, 0, 0"),
        ("prlimit", libc::SYS_prlimit64, "0, 4, (ctypes.c_uint64 * 2)(9, 9), 0"),
        ("terminal input", libc::SYS_ioctl, "0, 0x5412, b'x'"),
    ];
    let mut attempts: Vec<(&str, String)> = calls
        .iter()
        .map(|(name, number, arguments)| (*name, format!("call({number}, {arguments})")))
        .collect();
    // The same as `getpid`, by the numbers of another calling convention.
    attempts.push(("x32", format!("call(0x40000000 | {})", libc::SYS_getpid)));
    attempts.push(("control: getpid", format!("call({})", libc::SYS_getpid)));
    attempts.push(("control: socketpair", "socket.socketpair()".to_owned()));
    let Some(mut inside) = inside(&attempts).await else { return };

    assert_eq!(inside.remove("control: getpid").as_deref(), Some("passed"));
    assert_eq!(inside.remove("control: socketpair").as_deref(), Some("passed"));
    for (name, outcome) in inside {
        assert_eq!(outcome, "Function not implemented", "{name}");
    }
}
