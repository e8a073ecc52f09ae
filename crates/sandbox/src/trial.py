# Tries the walls of a room. What passes is named; nothing may.
import ctypes, json, os, socket

libc = ctypes.CDLL(None, use_errno=True)
roots = json.load(open("/job/parameters.json"))["roots"]
passed = []


def attempt(name, act):
    try:
        act()
    except OSError:
        return
    passed.append(name)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno())


attempt("a socket of the internet", lambda: socket.socket(socket.AF_INET))
attempt("a socket of the host", lambda: socket.socket(socket.AF_UNIX))
attempt("a socket of the kernel", lambda: socket.socket(16, socket.SOCK_RAW))
attempt("a namespace", lambda: call("unshare", 0x10000000))
attempt("a mount", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, 0))
attempt("tracing", lambda: call("ptrace", 0, 0, 0, 0))
for descriptor in range(3, 4096):
    attempt(f"file {descriptor}, which nobody opened", lambda: os.fstat(descriptor))
for place in ["/", "/dev", "/in", "/job", *(root for root in roots if os.path.isdir(root))]:
    attempt(f"writing to {place}", lambda: open(os.path.join(place, ".trial"), "w"))
for place in ["/proc", "/sys", "/etc", "/home", "/root", "/run", "/var"]:
    if os.path.exists(place) and not any(root.startswith(place + "/") for root in roots):
        passed.append(f"seeing {place}")
if os.getuid() != 65534 or os.getgid() != 65534:
    passed.append("being somebody")
json.dump({"passed": passed}, open("/out/trial.json", "w"))
