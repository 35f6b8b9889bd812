"""The workloads of a suite file, and the inputs that the real programs among them read."""

import os
import random
import re
import shlex
import shutil

from allocators import HERE, Error


class Workload:
    """command: a list of words; environment: what stands before it as NAME=VALUE.
    metrics: numbers that it prints as key=value, lower is better; same: its output must not vary."""

    def __init__(self, name, command, metrics=(), same=False, environment=None):
        self.name = name
        self.command = command
        self.metrics = list(metrics)
        self.same = same
        self.environment = environment or {}

    def obstacle(self, competitors):
        """Why it cannot be run, or None."""
        program = shutil.which(self.command[0])
        if program is None:
            return f"there is no {self.command[0]}"
        if not all(allocator.fits(program) for allocator in competitors):
            return f"{program} is of another architecture"
        return None


def split_environment(words):
    environment = {}
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    return environment, words


def parse_line(line, folders):
    """NAME | OPTION ... | [VARIABLE=VALUE ...] COMMAND, with {bench} and {inputs} for folders."""
    fields = [field.strip() for field in line.split("|", 2)]
    if len(fields) != 3 or not fields[0] or not fields[2]:
        raise Error("not NAME | OPTIONS | COMMAND")
    metrics, same = [], False
    for option in fields[1].split():
        if option == "same":
            same = True
        elif option.startswith("metric="):
            metrics += option.partition("=")[2].split(",")
        else:
            raise Error(f"there is no option {option!r}: metric=KEY,... and same")
    words = [word.replace("{bench}", folders["bench"]).replace("{inputs}", folders["inputs"])
             for word in shlex.split(fields[2])]
    environment, command = split_environment(words)
    if not command:
        raise Error("no command")
    return Workload(fields[0], command, metrics, same, environment)


def read_suite(path, build, inputs):
    folders = {"bench": os.path.join(build, "bench"), "inputs": inputs}
    workloads = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                workloads.append(parse_line(line, folders))
            except (Error, ValueError) as error:
                raise Error(f"{path}:{number}: {error}") from None
    names = [workload.name for workload in workloads]
    for name in names:
        if names.count(name) > 1:
            raise Error(f"{path}: {name} is there twice")
    return workloads


def default_suite():
    return os.path.join(HERE, "suite")


# ---- inputs: the same bytes at every run

WORK_PY = """\
import json
rows = []
for i in range(120000):
    rows.append({"id": i, "name": "item %d" % (i * 7919 % 100003), "tags": [str(i % k) for k in (3, 5, 7)]})
groups = {}
for row in rows:
    groups.setdefault(row["name"][-2:], []).append(row)
text = json.dumps(rows)
back = json.loads(text)
back.sort(key=lambda row: row["name"])
words = " ".join(row["name"] for row in back).split(" ")
print(len(text), len(groups), len(set(words)), back[1000])
"""

WORK_SQL = """\
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, part INTEGER, weight REAL);
INSERT INTO item WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
  SELECT i, printf('item %d', i * 7919 % 100003), i % 997, i / 7.0 FROM n;
CREATE INDEX item_name ON item (name);
CREATE INDEX item_part ON item (part, weight);
UPDATE item SET name = name || ' again' WHERE part % 3 = 0;
SELECT part, count(*), round(sum(weight), 2), group_concat(substr(name, 6, 2), '') FROM item GROUP BY part
  ORDER BY 3 DESC LIMIT 20;
DELETE FROM item WHERE part % 5 = 0;
SELECT count(*) FROM item a JOIN item b ON a.name = b.name;
"""

WORK_PL = """\
my (%count, %next, $last);
while (<>) {
  for my $word (split) {
    $count{$word}++;
    push @{$next{$last}}, $word if defined $last && $count{$last} < 20;
    $last = $word;
  }
}
my @most = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print "$_ $count{$_} @{$next{$_} || []}\\n" for @most[0 .. 99];
print scalar(@most), "\\n";
"""


def words_text(numbers):
    letters = "etaoinshrdlu"
    words = ["".join(numbers.choices(letters, k=numbers.randint(2, 9))) for _ in range(30000)]
    lines = (" ".join(numbers.choices(words, k=numbers.randint(3, 9))) for _ in range(180000))
    return "\n".join(lines) + "\n"


def c_text(numbers):
    parts = ["struct node { struct node *next; int value; const char *name; };\n"]
    for i in range(300):
        a, b, c = (numbers.randint(1, 1000) for _ in range(3))
        parts.append(f"""
int work_{i}(struct node *list, int bound)
{{
  int sum = {a};
  for (struct node *node = list; node != 0; node = node->next) {{
    switch (node->value % {c % 9 + 2}) {{
    case 0: sum += node->value * {b}; break;
    case 1: sum ^= node->value >> {c % 13}; break;
    default: if (sum > bound) sum -= {a} + node->value; else sum = sum * 3 + {c};
    }}
  }}
  return sum{f' + work_{numbers.randrange(i)}(list, bound - 1)' if i else ''};
}}
""")
    return "".join(parts)


def make_inputs(folder):
    numbers = random.Random(12345)
    for name, text in (("words.txt", words_text(numbers)), ("generated.c", c_text(numbers)),
                       ("work.py", WORK_PY), ("work.sql", WORK_SQL), ("work.pl", WORK_PL)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
