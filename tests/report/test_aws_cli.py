"""The script of AWS CLI commands, run against a role that is kept in a dictionary."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from policygen.errors import UsageError
from policygen.iam.document import parse_policy
from policygen.plan.io import parse_plan
from policygen.plan.model import Plan
from policygen.report.formats import render, render_all
from tests.support.reviews import plan, trust_proposal_of_everything
from tests.support.role_policies import (
    ACCOUNT,
    EVERY_PLAN,
    PLANS,
    State,
    changed,
    document,
    new,
    old,
    proposed,
    state,
)
from tests.support.samples import EVERY_SAMPLE

BASH = shutil.which("bash") or ""
pytestmark = pytest.mark.skipif(not BASH, reason="there is no bash")

# It notes each call that changes something, its words ended by NUL and the call by a line break after them; "asked"
# has the operations of all calls.
AWS = """#!/bin/sh
[ "$1" = sts ] && echo "$ACCOUNT" && exit 0
echo "$2" >> asked
case "$2" in
  list-role-policies) tr ' ' '\\n' < "has.$4" | grep -v : ; exit 0 ;;
  list-attached-role-policies) tr ' ' '\\n' < "has.$4" | grep : ; exit 0 ;;
  get-role-policy) found="doc.$4.$6" ;;
  get-policy | get-policy-version) found="doc.${4##*/}" ;;
  list-policy-versions) [ -f versions ] && cat versions ; exit 0 ;;
esac
if [ -n "$found" ]; then
  [ -e "$found" ] || { echo "An error occurred (NoSuchEntity)" >&2; exit 254; }
  case "$2 $6" in 'get-policy Policy'*) echo v3 ;; *'version v3' | get-role*) cat "$found" ;; esac
  exit
fi
printf '%s\\0' "$@" >> "$CALLS"
printf '\\n\\0' >> "$CALLS"
"""


def called(
    folder: Path,
    script: str,
    *args: str,
    account: str = "111122223333",
    aws: str = AWS,
    has: Mapping[str, str] | None = None,
    documents: Mapping[str, Any] | None = None,
) -> tuple[int, list[list[str]]]:
    """The exit code of a script, and the calls of ``aws`` that it made but for those that list and read policies.

    `has` is role -> the names and ARNs of its policies; `documents` is the name of a managed policy, or role, dot and
    name of an inline one -> its document. Where they are left out, they are as the plans say.
    """
    for name, policies in {**_as_planned(script), **(has or {})}.items():
        (folder / f"has.{name}").write_text(policies)
    for name, content in {**_documents_as_planned(script), **(documents or {})}.items():
        (folder / f"doc.{name}").write_text(content if isinstance(content, str) else as_aws_prints(content))
    for name, text in (("aws", aws), ("sleep", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    calls.write_text("")
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(calls),
        "ACCOUNT": account,
    }
    (folder / "script.sh").write_text(script, "utf-8")
    done = subprocess.run(
        [BASH, "script.sh", *args], cwd=folder, env=environment, capture_output=True, check=False, timeout=60
    )
    (folder / "stdout").write_bytes(done.stdout)
    (folder / "stderr").write_bytes(done.stderr)
    words = calls.read_bytes().decode().split("\n\0")[:-1]
    return done.returncode, [call.split("\0")[:-1] for call in words]


def _as_planned(script: str) -> dict[str, str]:
    """The policies of each role of a script, as its plan knows them; `undo` looks for the same as `apply`."""
    roles = re.findall(r"^roles?=\(?(.*?)\)?$", script, re.M)[0].split()
    known = re.findall(r"^  unchanged (?:'([^']*)'|(\S+))", script, re.M)[::2]
    return dict(zip(roles, ["".join(one) for one in known] or [""] * len(roles), strict=True))


def _documents_as_planned(script: str) -> dict[str, Any]:
    """The documents of the policies of a script, of the plan or, where that has none, of the proposal."""
    texts = dict(re.findall(r"^(document_\d+)=('(?:[^']|'\"'\"')*')$", script, re.M))
    roles = re.findall(r"^roles?=\(?(.*?)\)?$", script, re.M)[0].split()
    found: dict[str, Any] = {}
    checks = re.split(r"^(?=  unchanged )", script, flags=re.M)[1::2]
    for role, check in zip(roles, checks, strict=True) if checks else ():
        for name, variable in re.findall(r'^  same (\S+) "\$(\w+)"', check, re.M):
            place = name.rpartition("/")[2] if name.startswith("arn:") else f"{role}.{name}"
            found[place] = json.loads(shlex.split(texts[variable])[0])
    return found


def as_aws_prints(content: Mapping[str, Any]) -> str:
    """A document as the AWS CLI prints it: with other spaces, and as somebody wrote it, with other keys first."""
    return json.dumps(dict(reversed(content.items())), indent=4)


class FakeIam:
    """What calls of the AWS CLI do to the policies of one role, with IAM's refusals."""

    def __init__(self, before: State) -> None:
        self.role = dict(before)
        self.managed = {arn: content for (_, arn), content in before.items() if arn}

    def take(self, call: Sequence[str]) -> None:
        service, operation, *rest = call
        assert service == "iam"
        if operation == "create-policy-version":
            assert rest.pop() == "--set-as-default"
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        assert options.pop("--role-name", "orders-api") == "orders-api"
        name, arn = options.get("--policy-name", ""), options.get("--policy-arn", "")
        content = json.loads(options.get("--policy-document", "null"))
        getattr(self, operation.replace("-", "_"))(name, arn, content)

    def put_role_policy(self, name: str, arn: str, content: Any) -> None:
        self.role[name, arn] = content

    def delete_role_policy(self, name: str, arn: str, _: Any) -> None:
        del self.role[name, arn]

    def create_policy(self, name: str, _: str, content: Any) -> None:
        assert f"{ACCOUNT}/{name}" not in self.managed
        self.managed[f"{ACCOUNT}/{name}"] = content

    def create_policy_version(self, _: str, arn: str, content: Any) -> None:
        self.managed[arn] = self.role[arn.rpartition("/")[2], arn] = content

    def attach_role_policy(self, _: str, arn: str, __: Any) -> None:
        self.role[arn.rpartition("/")[2], arn] = self.managed[arn]

    def detach_role_policy(self, _: str, arn: str, __: Any) -> None:
        del self.role[arn.rpartition("/")[2], arn]

    def delete_policy(self, _: str, arn: str, __: Any) -> None:
        assert (arn.rpartition("/")[2], arn) not in self.role
        del self.managed[arn]


def replayed(folder: Path, made: Plan) -> None:
    """Run the script of a plan and its undo; the role must have the proposal, and then what it had."""
    script = render("aws-cli", made)
    iam = FakeIam(state(made))
    managed = dict(iam.managed)
    for word, after in (("apply", proposed(made)), ("undo", state(made))):
        code, calls = called(folder, script, word)
        assert code == 0
        for call in calls:
            iam.take(call)
        assert iam.role == after
    assert iam.managed == managed


@EVERY_PLAN
def test_the_script_gives_the_role_the_proposal_and_its_undo_what_it_had(
    policies: list[dict[str, Any]], today: list[dict[str, Any]], tmp_path: Path
) -> None:
    replayed(tmp_path, changed(policies, today))


@EVERY_SAMPLE
def test_a_sample_s_script_names_what_it_calls_and_says_whether_it_is_safe(
    role: str, today: bool, tmp_path: Path
) -> None:
    made = plan(role, today)
    script = render("aws-cli", made)
    checked = subprocess.run(
        [BASH, "-n"], input=script.encode(), capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert "# Safe to apply? " in script
    assert ("Today's policies are not known" in script) == (not today)
    needs_what_it_calls(tmp_path, made)
    if role == "orders-api" and today:
        replayed(tmp_path, made)


def needs_what_it_calls(folder: Path, made: Plan) -> None:
    """Run a script where it was stopped before, so that it looks at all that it may; its head must name its calls."""
    script = render("aws-cli", made)
    quick = script.replace("\nplain() {", "\nplain() { true; }\nnever() {")  # every document is the same
    (folder / "versions").write_text("v2 v5 v6 v7")
    has = {**state(made), **proposed(made)}
    kept = [] if made.today is not None else ["kept"]
    names = " ".join([*(arn or name for name, arn in has), *kept])
    documents = {name if arn else f"{made.role.name}.{name}": "{}" for name, arn in has}
    for word in ("apply", "undo"):
        has_now, account = {made.role.name: names}, made.role.account
        assert called(folder, quick, word, has=has_now, documents=documents, account=account)[0] == 0
    operations = (folder / "asked").read_text().split()
    named = re.findall(
        r"iam:(\w+)", script.partition("\nset -euo")[0].split("AWS CLI and ")[1].split(".\n")[0]
    )
    assert named == sorted({one.title().replace("-", "") for one in operations})


@EVERY_PLAN
def test_a_script_needs_what_it_calls(
    policies: list[dict[str, Any]], today: list[dict[str, Any]], tmp_path: Path
) -> None:
    needs_what_it_calls(tmp_path, changed(policies, today))


def test_the_script_changes_nothing_without_a_word_or_in_another_account(tmp_path: Path) -> None:
    script = render("aws-cli", plan("orders-api"))
    assert called(tmp_path, script) == (2, [])
    assert called(tmp_path, script, "aply") == (2, [])
    assert called(tmp_path, script, "apply", account="999988887777") == (1, [])
    assert "are of account 999988887777; the role is in account 111122223333" in stderr(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "said"), [((), 2, "usage: "), (("apply",), 1, "log in to account")]
)
def test_without_credentials_the_script_says_how_it_is_used_or_that_there_are_none(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    nobody = "#!/bin/sh\necho 'Unable to locate credentials' >&2\nexit 253\n"
    assert called(tmp_path, render("aws-cli", plan("orders-api")), *words, aws=nobody) == (code, [])
    assert said in stderr(tmp_path)
    assert ("Unable to locate credentials" in stderr(tmp_path)) == bool(words)


def stderr(folder: Path) -> str:
    """What the script that ran last said on stderr."""
    return (folder / "stderr").read_text()


@pytest.mark.parametrize(
    ("said", "code", "calls"), [("NoSuchEntity", 0, 3), ("AccessDenied", 1, 2)], ids=["gone", "denied"]
)
def test_what_is_gone_already_does_not_stop_the_script_and_a_refusal_does(
    said: str, code: int, calls: int, tmp_path: Path
) -> None:
    made = changed([new("policygen")], [old("a", managed=True), old("b", managed=True)])
    refusing = f'[ "$2" = detach-role-policy ] && echo "An error occurred ({said})" >&2 && exit 254\n'
    with_refusal = f"{AWS}{refusing}exit 0\n"
    done, made_calls = called(tmp_path, render("aws-cli", made), "apply", aws=with_refusal)
    assert (done, len(made_calls)) == (code, calls)
    assert (said in (tmp_path / "stderr").read_text()) == (code == 1)


def test_the_new_policies_have_time_to_reach_iam_before_the_old_ones_go() -> None:
    waits = [
        render("aws-cli", changed([new("policygen")], today)).count("  sleep ") for today in ([], [old("a")])
    ]
    assert waits == [0, 1]


def test_texts_of_a_document_reach_aws_as_they_are(tmp_path: Path) -> None:
    odd = 'it\'s "quoted" $(touch x) `y` \\ ${aws:username} é \u202e\x1b\n'
    names = [new("policygen") | {"document": document(odd)}]
    script = render("aws-cli", changed(names, [old("a", document=document("'; rm -rf / #"))]))
    assert not {"\x1b", "\u202e"} & {*script}
    code, calls = called(tmp_path, script, "apply")
    put = dict(zip(calls[0][2::2], calls[0][3::2], strict=True))
    assert (code, json.loads(put["--policy-document"])) == (0, document(odd))


@pytest.mark.parametrize("name", ["a b", "$(id)", "file://x", "a'b", "x" * 129, "", "é"])
def test_a_name_that_iam_does_not_allow_is_refused(name: str) -> None:
    for made in (changed([new(name)], []), changed([new("policygen")], [old(name)])):
        with pytest.raises(UsageError, match="IAM has no such name") as caught:
            render("aws-cli", made)
        assert caught.value.code == "PG-E241"


def test_a_plan_that_does_not_say_what_is_inline_is_refused() -> None:
    with pytest.raises(UsageError, match="which of today's policies are inline") as caught:
        render("aws-cli", changed([new("policygen")], [{"name": "a", "document": document("a")}]))
    assert caught.value.code == "PG-E235"


@pytest.mark.parametrize(
    ("has", "says"),
    [
        (f"a {ACCOUNT}/b hotfix", "new since then: hotfix\n"),
        (f"a {ACCOUNT}/b {ACCOUNT}/more", f"new since then: {ACCOUNT}/more\n"),
        ("a", f"gone since then: {ACCOUNT}/b\n"),
        ("", f"gone since then: a {ACCOUNT}/b\n"),
        ("a-b hotfix", "new since then: a-b hotfix\n"),
        (f"a policygen {ACCOUNT}/b", ""),  # a run that was stopped after the first step
        (f"policygen {ACCOUNT}/b", ""),
        ("policygen", ""),
        ("policygen hotfix", "new since then: hotfix\n"),
    ],
)
def test_it_stops_where_somebody_changed_the_role_since(has: str, says: str, tmp_path: Path) -> None:
    made = changed([new("policygen")], [old("a"), old("b", managed=True)])
    code, calls = called(tmp_path, render("aws-cli", made), "apply", has={"orders-api": has})
    assert (code, bool(calls)) == ((1, False) if says else (0, True))
    assert says in stderr(tmp_path)
    if says:
        assert "nothing was changed: the policies of orders-api are not those of the plan" in stderr(tmp_path)
        assert "make the plan and this script again" in stderr(tmp_path)


def test_what_makes_room_may_be_gone_and_what_is_not_replaced_yet_is_no_sign_of_a_run(tmp_path: Path) -> None:
    room = changed([new("policygen", 6_000)], [old("a", 2_000), old("b", 3_000), old("c", 10)])
    assert [one.name for one in room.apply_list.first_off] == ["b"]
    assert called(tmp_path, render("aws-cli", room), "apply", has={"orders-api": "a c"})[0] == 0
    assert called(tmp_path, render("aws-cli", room), "apply", has={"orders-api": "b c"}) == (1, [])
    replaced = changed([new("policygen")], [old("policygen"), old("a")])
    has = {"orders-api": "policygen"}
    assert called(tmp_path, render("aws-cli", replaced), "apply", has=has) == (1, [])
    # That it has its new document is one.
    made = {"orders-api.policygen": document("New")}
    assert called(tmp_path, render("aws-cli", replaced), "apply", has=has, documents=made)[0] == 0


def _two(*actions: str) -> dict[str, Any]:
    """A document in which each of two buckets has an action of its own."""
    buckets = [f"arn:aws:s3:::{name}/*" for name in ("one", "other")]
    pairs = zip(actions, buckets, strict=True)
    statements = [{"Effect": "Allow", "Action": f"s3:{one}", "Resource": on} for one, on in pairs]
    return {"Version": "2012-10-17", "Statement": statements}


TWO, TWO_TURNED = _two("GetObject", "PutObject"), _two("PutObject", "GetObject")

EDITED = {
    "another action": ("a", document("Edited")),
    "another version of a managed one": ("b", document("Edited")),
    "another effect": ("a", document("a", Effect="Deny")),
    "a condition": ("b", document("b", Condition={"Bool": {"aws:SecureTransport": "true"}})),
    "one statement more": ("two", {**TWO, "Statement": [*TWO["Statement"], *document("x")["Statement"]]}),
    "no statement": ("b", {"Version": "2012-10-17", "Statement": []}),
    "actions that changed their places": ("two", TWO_TURNED),
    "not all of it could be read": ("a", ""),
}  # fmt: skip


@pytest.mark.parametrize(("name", "now"), EDITED.values(), ids=EDITED)
def test_it_stops_where_somebody_edited_a_policy_since(name: str, now: Any, tmp_path: Path) -> None:
    today = [old("a"), old("b", managed=True), old("two", document=TWO)]
    script = render("aws-cli", changed([new("policygen")], today))
    place = name if name == "b" else f"orders-api.{name}"
    assert called(tmp_path, script, "apply", documents={place: now}) == (1, [])
    which = f"{ACCOUNT}/b" if name == "b" else name
    assert f"nothing was changed: somebody edited the policy {which} of orders-api since" in stderr(tmp_path)
    assert called(tmp_path, script, "undo", documents={place: now}) == (1, [])
    assert f"nothing was changed: somebody edited the policy {which} of orders-api since" in stderr(tmp_path)
    assert "take the change back, and then: bash script.sh undo" in stderr(tmp_path)


WRITTEN_OTHERWISE = {
    "as a word": {"Version": "2012-10-17", "Id": "mine", "Statement": {"Sid": "Own", **document("a")["Statement"][0]}},
    "in lists": {
        "Statement": [{"Resource": ["*"], "Action": ["s3:a", "s3:a"], "Effect": "Allow"}],
        "Version": "2012-10-17",
    },
}  # fmt: skip


@pytest.mark.parametrize("now", WRITTEN_OTHERWISE.values(), ids=WRITTEN_OTHERWISE)
def test_a_document_that_is_written_otherwise_is_the_same(now: Any, tmp_path: Path) -> None:
    script = render("aws-cli", changed([new("policygen")], [old("a")]))
    assert called(tmp_path, script, "apply", documents={"orders-api.a": now})[0] == 0


def test_a_document_of_the_old_version_is_compared_by_its_meaning(tmp_path: Path) -> None:
    before = {
        "Version": "2008-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"},
    }  # fmt: skip
    known = old("a", document=parse_policy(before).to_dict())
    script = render("aws-cli", changed([new("policygen")], [known]))
    assert called(tmp_path, script, "apply", documents={"orders-api.a": before})[0] == 0
    newer = before | {"Version": "2012-10-17"}
    assert called(tmp_path, script, "apply", documents={"orders-api.a": newer}) == (1, [])


def test_a_policy_of_the_proposal_s_name_is_left_alone_where_a_run_did_not_make_it(tmp_path: Path) -> None:
    script = render("aws-cli", changed([new("policygen")], [old("a")]))
    has = {"orders-api": "a policygen"}
    assert called(tmp_path, script, "apply", has=has)[0] == 0
    foreign = {"orders-api.policygen": document("Other")}
    assert called(tmp_path, script, "apply", has=has, documents=foreign) == (1, [])


def test_a_policy_that_is_replaced_may_be_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    script = render("aws-cli", changed([new("policygen")], [old("policygen"), old("a")]))
    for now, code in ((document("policygen"), 0), (document("New"), 0), (document("Other"), 1)):
        assert called(tmp_path, script, "apply", documents={"orders-api.policygen": now})[0] == code


def test_aws_s_own_managed_policies_are_not_compared(tmp_path: Path) -> None:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    made = changed([new("policygen")], [old("ReadOnlyAccess", managed=True) | {"arn": arn}])
    script = render("aws-cli", made)
    assert called(tmp_path, script, "apply", documents={"ReadOnlyAccess": document("Newer")})[0] == 0


def test_it_stops_where_a_document_cannot_be_read(tmp_path: Path) -> None:
    made = changed([new("policygen")], [old("a")])
    refusing = AWS.replace('case "$2" in', 'case "$2" in get-role-p*) echo AccessDenied >&2; exit 254 ;;')
    for word in ("apply", "undo"):
        assert called(tmp_path, render("aws-cli", made), word, aws=refusing) == (1, [])
        assert "AccessDenied" in stderr(tmp_path)
        assert "nothing was changed: the policy a of orders-api cannot be read" in stderr(tmp_path)


# --- the undo --------------------------------------------------------------------------------------------

STOPPED = ("managed ones", "a managed one is replaced", "no room for two inline ones")


@pytest.mark.parametrize("which", STOPPED)
def test_what_stopped_anywhere_is_undone(which: str, tmp_path: Path) -> None:
    """An apply that stopped after each of its calls, and then an undo that did."""
    made = changed(*PLANS[which])
    script = render("aws-cli", made)
    iam = FakeIam(state(made))
    for word in ("apply", "undo"):
        steps = undo_of(tmp_path, script, iam) if word == "undo" else called(tmp_path, script, word)[1]
        for step in steps:
            iam.take(step)
            left = copy.deepcopy(iam)
            for call in undo_of(tmp_path, script, left):
                with contextlib.suppress(KeyError):  # gone already
                    left.take(call)
            assert left.role == state(made)


def undo_of(folder: Path, script: str, iam: FakeIam) -> list[list[str]]:
    """The calls of an undo at a role as it is."""
    for file in folder.glob("doc.*"):
        file.unlink()
    documents = {f"orders-api.{name}": content for (name, arn), content in iam.role.items() if not arn}
    documents |= {arn.rpartition("/")[2]: content for arn, content in iam.managed.items()}
    has = {"orders-api": " ".join(arn or name for name, arn in iam.role)}
    code, calls = called(folder, script, "undo", has=has, documents=documents)
    assert (code, stderr(folder)) == (0, "")
    return calls


def test_what_somebody_changed_after_the_apply_stops_the_undo(tmp_path: Path) -> None:
    script = render("aws-cli", changed([new("policygen")], [old("a"), old("b", managed=True)]))
    for has, now, says in (
        ("policygen", {}, ""),
        ("policygen hotfix", {}, ""),  # it is left alone, and an outage does not wait
        ("policygen", {"orders-api.policygen": document("More")}, "somebody edited the policy policygen of"),
        # It is attached again, and would not be what the role had.
        ("policygen", {"b": document("More")}, f"somebody edited the policy {ACCOUNT}/b of"),
    ):
        given = {"orders-api.policygen": document("New")} | now
        code, calls = called(tmp_path, script, "undo", has={"orders-api": has}, documents=given)
        assert (code, bool(calls)) == ((1, False) if says else (0, True))
        assert says in stderr(tmp_path)
        assert ("take the change back, and then: bash script.sh undo" in stderr(tmp_path)) == bool(says)


@pytest.mark.parametrize(
    ("policies", "has", "says"),
    [
        (["policygen"], "a policygen", "edited the policy policygen of"),
        (["p-1", "p-2"], f"a {ACCOUNT}/p-1", f"{ACCOUNT}/p-1 is there with another document"),
        (["p-1", "p-2"], "a", f"{ACCOUNT}/p-1 is there with another document"),
    ],
    ids=["inline", "managed", "managed and not attached"],
)
def test_a_policy_of_a_new_one_s_name_that_somebody_else_made_is_not_deleted(
    policies: list[str], has: str, says: str, tmp_path: Path
) -> None:
    script = render("aws-cli", changed([new(one) for one in policies], [old("a")]))
    theirs = {"orders-api.policygen": document("Other"), "p-1": document("Other")}
    assert called(tmp_path, script, "undo", has={"orders-api": has}, documents=theirs) == (1, [])
    assert says in stderr(tmp_path)
    assert "take the change back, and then: bash script.sh undo" in stderr(tmp_path)


def test_what_is_replaced_or_stays_is_no_policy_that_may_be_gone(tmp_path: Path) -> None:
    replaced = changed([new("policygen")], [old("policygen"), old("a")])
    new_one = {"orders-api.policygen": document("New")}
    for has, code in (("policygen", 0), ("policygen a", 0), ("a", 1), ("", 1)):
        done = called(
            tmp_path, render("aws-cli", replaced), "undo", has={"orders-api": has}, documents=new_one
        )
        assert done[0] == code
        assert ("gone since then: policygen" in stderr(tmp_path)) == bool(code)
    stays = changed([new("p-1"), new("p-2")], [old("p-1", managed=True, document=document("New")), old("a")])
    assert [one.name for one in stays.apply_list.in_place] == ["p-1"]
    for word in ("apply", "undo"):  # p-2 is there: a run was stopped, and that takes away p-1 no more
        has = {"orders-api": f"{ACCOUNT}/p-2 a"}
        given = {"p-2": document("New")}
        assert called(tmp_path, render("aws-cli", stays), word, has=has, documents=given) == (1, [])
        assert f"gone since then: {ACCOUNT}/p-1" in stderr(tmp_path)


def test_an_old_managed_policy_that_was_deleted_stops_the_undo_and_no_second_apply(tmp_path: Path) -> None:
    script = render("aws-cli", changed([new("policygen")], [old("b", managed=True)]))
    has = {"orders-api": "policygen"}
    deleted = AWS.replace('case "$2" in', 'rm -f doc.b; case "$2" in')
    assert called(tmp_path, script, "apply", has=has, aws=deleted)[0] == 0
    assert called(tmp_path, script, "undo", has=has, aws=deleted) == (1, [])
    assert f"the policy {ACCOUNT}/b of orders-api cannot be read" in stderr(tmp_path)
    assert "NoSuchEntity" in stderr(tmp_path)


@pytest.mark.parametrize(
    ("now", "code", "says"),
    [
        (document("New"), 0, ""),
        (document("Other"), 1, f"nothing was changed: {ACCOUNT}/p-1 is there with another document"),
    ],
)
def test_a_run_that_stopped_after_it_made_a_policy_goes_on(
    now: Any, code: int, says: str, tmp_path: Path
) -> None:
    """It is made, and not attached yet, so that nothing of the role tells of it."""
    made = changed([new("p-1"), new("p-2")], [old("a")])
    there = (
        AWS + '[ "$2 $4" = "create-policy p-1" ] && echo "(EntityAlreadyExists)" >&2 && exit 254\nexit 0\n'
    )
    done, calls = called(tmp_path, render("aws-cli", made), "apply", aws=there, documents={"p-1": now})
    assert done == code
    assert says in stderr(tmp_path)
    assert (["iam", "attach-role-policy"] in [call[:2] for call in calls]) == (code == 0)


@pytest.mark.parametrize(("versions", "gone"), [("v2\tv5\tv6\tv7", ["v2"]), ("v5\tv6\tv7", []), ("", [])])
def test_the_oldest_version_of_a_managed_policy_makes_room_for_a_new_one(
    versions: str, gone: list[str], tmp_path: Path
) -> None:
    (tmp_path / "versions").write_text(versions)
    made = changed([new("p-1"), new("p-2")], [old("p-1", managed=True)])
    for word in ("apply", "undo"):
        _, calls = called(tmp_path, render("aws-cli", made), word)
        told = ["iam", "delete-policy-version", "--policy-arn", f"{ACCOUNT}/p-1", "--version-id"]
        assert [call for call in calls if call[1] == "delete-policy-version"] == [
            [*told, one] for one in gone
        ]
        assert ["iam", "create-policy-version"] in [call[:2] for call in calls]


def test_it_says_that_it_waits(tmp_path: Path) -> None:
    assert called(tmp_path, render("aws-cli", changed([new("policygen")], [old("a")])), "apply")[0] == 0
    assert stderr(tmp_path).startswith("waiting 15 seconds: what is new has to reach all of IAM")


def test_it_stops_where_the_policies_cannot_be_listed(tmp_path: Path) -> None:
    made = changed([new("policygen")], [old("a")])
    refusing = AWS.replace('case "$2" in', 'case "$2" in list-a*) echo AccessDenied >&2; exit 254 ;;')
    assert called(tmp_path, render("aws-cli", made), "apply", aws=refusing) == (254, [])


# --- the trust policy ------------------------------------------------------------------------------------

TRUSTED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}],
}
SMALLER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "it's $HOME"}, "Action": ["sts:AssumeRole"]}],
}


def with_trust(**fields: Any) -> Plan:
    """A sample's plan that narrows who may assume the role; `fields` replace those of what it proposes."""
    found = json.loads(json.dumps(plan("orders-api").document))
    proposal = trust_proposal_of_everything(SMALLER) | fields
    found["trust"] = {"services": [], "document": TRUSTED, "proposal": proposal}
    return parse_plan(found)


def trust_calls(folder: Path, word: str, now: Mapping[str, Any], made: Plan) -> tuple[int, list[list[str]]]:
    """The exit code and the calls of a script where the role trusts whom a document says; its keys come backwards."""
    text = json.dumps(dict(reversed(now.items())), indent=4)
    says = f"[ \"$2\" = get-role ] && cat <<'X' && exit 0\n{text}\nX\n"
    return called(folder, render("aws-cli", made), word, aws=AWS.replace("printf", f"{says}printf", 1))


def test_the_trust_policy_changes_by_words_of_its_own(tmp_path: Path) -> None:
    made = with_trust()
    for word, wanted, seconds in (("apply-trust", SMALLER, "3600"), ("undo-trust", TRUSTED, "43200")):
        code, ((*replace, text), session) = trust_calls(tmp_path, word, TRUSTED, made)
        assert code == 0
        assert replace == [
            *("iam", "update-assume-role-policy", "--role-name", "orders-api", "--policy-document")
        ]
        assert json.loads(text) == wanted
        assert session == [
            *("iam", "update-role", "--role-name", "orders-api", "--max-session-duration", seconds)
        ]
    for word in ("apply", "undo"):
        _, calls = called(tmp_path, render("aws-cli", made), word)
        assert calls
        assert not {"update-assume-role-policy", "update-role"} & {call[1] for call in calls}


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (TRUSTED, 0),
        (SMALLER, 0),
        (TRUSTED | {"Statement": [*TRUSTED["Statement"], *SMALLER["Statement"]]}, 1),
        ({"Version": "2012-10-17", "Statement": []}, 1),
    ],
    ids=["as planned", "after a run that stopped", "somebody added", "somebody took away"],
)  # fmt: skip
def test_it_stops_where_somebody_changed_the_trust_policy_since(
    now: dict[str, Any], code: int, tmp_path: Path
) -> None:
    ended, calls = trust_calls(tmp_path, "apply-trust", now, with_trust())
    assert (ended, len(calls)) == (code, 0 if code else 2)
    assert ("is not that of the plan any more" in stderr(tmp_path)) == bool(code)
    ended, calls = trust_calls(tmp_path, "undo-trust", now, with_trust())
    assert (ended, len(calls)) == (code, 0 if code else 2)
    assert ("and then: bash script.sh undo-trust" in stderr(tmp_path)) == bool(code)


@pytest.mark.parametrize(
    ("fields", "operations"),
    [
        ({"document": None}, ["update-role"]),
        ({"session_now": None}, ["update-assume-role-policy"]),
        ({"session_now": 3600}, ["update-assume-role-policy"]),
    ],
    ids=["the session alone", "the session is not known", "the session stays"],
)
def test_only_what_changes_is_changed(fields: dict[str, Any], operations: list[str], tmp_path: Path) -> None:
    for word in ("apply-trust", "undo-trust"):
        _, calls = trust_calls(tmp_path, word, TRUSTED, with_trust(**fields))
        assert [call[1] for call in calls] == operations


@pytest.mark.parametrize("answer", ["unchanged", "unseen", "refused"])
def test_without_a_smaller_trust_policy_there_are_no_words_for_it(answer: str, tmp_path: Path) -> None:
    script = render("aws-cli", with_trust(answer=answer))
    assert script == render("aws-cli", plan("orders-api"))
    assert called(tmp_path, script, "apply-trust") == (2, [])


def test_the_script_of_several_roles_leaves_trust_policies_alone() -> None:
    made = with_trust()
    other = plan("stock-sync")
    made.strength = other.strength
    script = render_all("aws-cli", [made, other])
    assert "assume-role-policy" not in script
    assert "# Trust policies are left alone; smaller ones are enough for 1 role:" in script
