"""Which allocators can be compared on this machine, and how a process is put on one."""

import glob
import os
import signal
import subprocess
import sys
import sysconfig

HERE = os.path.dirname(os.path.abspath(__file__))

# Name, Debian package, file names to look for.
PEERS = [
    ("mimalloc", "libmimalloc2.0", ["libmimalloc.so.2", "libmimalloc.so.2.0"]),
    ("jemalloc", "libjemalloc2", ["libjemalloc.so.2"]),
    ("tcmalloc", "libtcmalloc-minimal4", ["libtcmalloc_minimal.so.4"]),
]


class Error(Exception):
    """Something to be said in one line before the program ends."""


def architecture(path):
    """Class and machine of an ELF file, None for another one."""
    with open(path, "rb") as file:
        head = file.read(20)
    return (head[4], head[18:20]) if head[:4] == b"\x7fELF" else None


class Allocator:
    """library is a path to preload, or None for the C library; environment is set for it besides."""

    def __init__(self, name, library=None, environment=None):
        self.name = name
        self.library = library
        self.environment = environment or {}

    def environ(self):
        """The environment of a process on this allocator, LD_PRELOAD apart."""
        return {**os.environ, **self.environment}

    def check(self, build):
        """Raises Error when a program of the build does not end up on the library."""
        if self.library is None:
            return
        if not os.path.isfile(self.library):
            raise Error(f"{self.name}: there is no {self.library}")
        run = subprocess.run([os.path.join(build, "bench", "measure")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env={**self.environ(), "LD_PRELOAD": self.library, "LD_TRACE_LOADED_OBJECTS": "1"},
                             text=True, check=False)
        if self.library not in run.stdout:
            raise Error(f"{self.name}: {self.library} cannot be preloaded: {run.stderr.strip() or 'no reason given'}")

    def fits(self, program):
        """Whether the program is of the library's architecture; True for a script."""
        kinds = [architecture(path) for path in (self.library, program) if path]
        return None in kinds or len(set(kinds)) == 1

    def as_json(self):
        library = os.path.realpath(self.library) if self.library else None
        return {"name": self.name, "library": library, "environment": self.environment}


def run_script(name, main):
    """Ends the process with what main() returns; an Error is a line on stderr and status 2. What main() has
    started and stored is cleaned up when it is interrupted or terminated too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main())
    except Error as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        sys.exit(1)


def library_folders():
    triplet = sysconfig.get_config_var("MULTIARCH")
    first = [f"/usr/lib/{triplet}", f"/lib/{triplet}"] if triplet else sorted(glob.glob("/usr/lib/*-linux-gnu*"))
    return first + ["/usr/lib64", "/usr/lib", "/usr/local/lib"]


def find_library(names):
    for folder in library_folders():
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    return None


def find_build(given):
    """The folder in which `make` ran: the one given, else the current one, else the one beside this file."""
    if given is not None:
        if not os.path.isfile(os.path.join(given, "bench", "measure")):
            raise Error(f"{given} holds no bench/measure: run make there first")
        return os.path.abspath(given)
    for folder in (os.getcwd(), os.path.dirname(os.getcwd()), os.path.dirname(HERE)):
        if os.path.isfile(os.path.join(folder, "bench", "measure")):
            return folder
    raise Error("the benchmarks are not built: run make, or name the build folder with --build")


def parse_with(text):
    """NAME=LIB[,VARIABLE=VALUE...]; an empty LIB is the C library."""
    name, equals, rest = text.partition("=")
    library, *settings = rest.split(",")
    environment = dict(setting.partition("=")[::2] for setting in settings)
    if not name or not equals or any("=" not in setting for setting in settings):
        raise Error(f"--with takes NAME=LIB[,VARIABLE=VALUE...], not {text!r}")
    return Allocator(name, os.path.abspath(library) if library else None, environment)


def find_all(build, extra, only):
    """The C library, libhakmem of the build tree, the peers that are installed and what --with names;
    a list of what is missing, in words, besides."""
    found, missing = [Allocator("glibc")], []
    ours = os.path.join(build, "src", "libhakmem-preload.so")
    if os.path.isfile(ours):
        found.append(Allocator("hakmem", ours))
    else:
        missing.append(f"hakmem ({ours} is not built)")
    for name, package, names in PEERS:
        path = find_library(names)
        if path is None:
            missing.append(f"{name} (apt install {package})")
        elif not Allocator(name, path).fits(os.path.join(build, "bench", "measure")):
            missing.append(f"{name} ({path} is of another architecture)")
        else:
            found.append(Allocator(name, path))
    added = [parse_with(text) for text in extra]
    found = [a for a in found if a.name not in {b.name for b in added}] + added
    if only:
        wanted = only.split(",")
        unknown = [name for name in wanted if name not in {a.name for a in found}]
        if unknown:
            raise Error(f"--only {unknown[0]}: there is {', '.join(a.name for a in found)}")
        found = [a for a in found if a.name in wanted]
        missing = []
    for allocator in found:
        allocator.check(build)
    return found, missing


def add_arguments(parser):
    parser.add_argument("--with", dest="extra", action="append", default=[], metavar="NAME=LIB[,VAR=VALUE...]",
                        help="one more allocator to preload, with variables set for it; an empty LIB is the C library")
    parser.add_argument("--only", metavar="NAME,...", help="these of the allocators")
    parser.add_argument("--build", metavar="DIR", help="where make ran (default: found)")


def report_missing(missing):
    for what in missing:
        print(f"left out: {what}", file=sys.stderr)


def machine():
    """What a table must say about the machine that it was measured on."""
    def field(path, key):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(key):
                    return line.partition("=" if "=" in line else ":")[2].strip().strip('"')
        return "unknown"

    def content(path):
        try:
            with open(path, encoding="utf-8") as text:
                return text.read().strip()
        except OSError:
            return "unknown"

    thp = content("/sys/kernel/mm/transparent_hugepage/enabled")
    return {
        "processor": field("/proc/cpuinfo", "model name"),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 ** 20,
        "kernel": os.uname().release,
        "system": field("/etc/os-release", "PRETTY_NAME"),
        "c_library": os.confstr("CS_GNU_LIBC_VERSION"),
        "huge_pages": thp[thp.find("[") + 1:thp.find("]")] if "[" in thp else thp,
        "load_at_start": os.getloadavg()[0],
    }


def machine_line(about):
    return (f"{about['processor']}, {about['processors']} processors, {about['memory_mib'] / 1024:.0f} GiB, "
            f"{about['system']}, Linux {about['kernel']}, {about['c_library']}, "
            f"transparent huge pages {about['huge_pages']}")
