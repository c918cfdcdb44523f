"""Reads templates of CloudFormation and SAM, as objects of JSON or YAML.

Names that a deployment makes are not in a template, so a function of the template is worked out only where its value
is certain: pseudo parameters, defaults of parameters, and the ARNs of resources with a name of their own. Conditions
are decided at deployment: of what depends on them, both outcomes count.
Source: AWS CloudFormation User Guide, Intrinsic function reference; AWS SAM specification.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from msgspec import UNSET

from policygen.gate.sources import (
    SAM_TEMPLATE,
    Holder,
    TemplateRest,
    TemplateRole,
    UnknownGrant,
    content_digest,
    policy_key,
    role_name,
)
from policygen.gate.templates.cloudformation_unread import added_by_sam, unread_macros, unread_resources
from policygen.gate.templates.cloudformation_values import (
    IF,
    NO_VALUE,
    TemplateValues,
    UnresolvedError,
    attribute_parts,
    branches_of,
    is_expanded,
    is_function,
    mentioned,
)
from policygen.gate.templates.model import (
    KnownDocument,
    RolePolicies,
    TemplateContext,
    no_such_role,
)
from policygen.iam.locations import Path

_ROLE, _FUNCTION = "AWS::IAM::Role", "AWS::Serverless::Function"
_MAKES_ROLE = {_FUNCTION, "AWS::Serverless::StateMachine"}
"""Resources of SAM that get a role, called like them with ``Role`` at the end, unless they name one."""
_POLICY, _MANAGED = "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"
_PERMISSION_SET = "AWS::SSO::PermissionSet"
PROCESSED = "give the processed template: aws cloudformation get-template --stack-name STACK --template-stage Processed"


class _Kind(NamedTuple):
    """What CloudFormation calls the parts of one kind of holder."""

    resource: str
    name: str
    """The property that names it, in its own resource and in that of an inline policy."""
    listed: str = ""
    """The property of a policy that lists it."""
    inline: str = ""
    """The resource that is an inline policy of it."""


_KINDS = {
    "role": _Kind(_ROLE, "RoleName", "Roles", "AWS::IAM::RolePolicy"),
    "user": _Kind("AWS::IAM::User", "UserName", "Users", "AWS::IAM::UserPolicy"),
    "group": _Kind("AWS::IAM::Group", "GroupName", "Groups", "AWS::IAM::GroupPolicy"),
    "permission set": _Kind(_PERMISSION_SET, "Name"),
}


def is_cloudformation(document: Mapping[str, Any]) -> bool:
    """Return whether an object is a template; what a transform would make of its resources is left out of account."""
    resources = document.get("Resources")
    return isinstance(resources, dict) and all(
        is_expanded(name) or (isinstance(one, dict) and isinstance(one.get("Type"), str))
        for name, one in resources.items()
    )


def cloudformation_policies(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return the policies of a role, or of another holder.

    Raises:
        UsageError: PG-E250, there is no such role.
    """
    return _TemplateReader(document, file, context).policies()


def rest_of_cloudformation(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return what a template holds, seen from no role: without documents, and with what may be anybody's."""
    return _TemplateReader(document, file, context).seen_from_nobody()


def _as_written(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a template with the resources alone that it has itself."""
    resources = {name: one for name, one in document["Resources"].items() if not is_expanded(name)}
    return {**document, "Resources": resources}


class _Attachment(NamedTuple):
    """Whether a policy is one of the role's."""

    is_there: bool
    is_optional: bool = False
    """Whether a condition may leave it out."""
    untold: str = ""
    """Why the template does not tell; "" where it does."""


class _TemplateReader(TemplateValues):
    """Finds the policies of one role among the resources."""

    def __init__(self, document: Mapping[str, Any], file: str, context: TemplateContext) -> None:
        super().__init__(_as_written(document), context)
        self._document, self._file = document, file
        self._kind = _KINDS.get(context.kind, _KINDS["role"])
        self._others: dict[str, str] = {}
        self._names: set[str] = set()
        self._documents: list[KnownDocument] = []
        self._attached: list[tuple[str, Path]] = []
        self._unknown: list[UnknownGrant] = []

    def policies(self) -> RolePolicies:
        if self._context.kind == "policy":
            return self._lone_policy(self._context.part)
        own = [name for name in self._holders() if self._is_ours(name)]
        named = {role_name(name) for one in own for name in self._names_of(one) or ()}
        self._names = {role_name(self._context.role), *named} - {""}
        for logical in own:
            self._read_holder(logical)
        for logical, one in self._resources.items():
            if one["Type"] in {_POLICY, _MANAGED, self._kind.inline}:
                self._read_attached(logical, own)
        if not (own or self._documents or self._attached or self._unknown):
            expanded = [PROCESSED] * any(map(is_expanded, self._document["Resources"]))
            raise no_such_role(self._file, self._context, self._holders(), *expanded)
        return self._found(own)

    def seen_from_nobody(self) -> RolePolicies:
        for logical, one in self._resources.items():
            if one["Type"] in {_POLICY, _MANAGED, self._kind.inline}:
                self._read_attached(logical, ())
        return self._found(())._replace(documents=(), attached=())

    def _found(self, own: Sequence[str]) -> RolePolicies:
        for logical in self._holders() if self._is_by_name() else ():
            if logical not in own and self._names_of(logical) is None:
                name = self._properties(logical).get(self._kind.name)
                if fnmatchcase(self._context.role.casefold(), self._like(name).casefold()):
                    path = ("Resources", logical, "Properties", self._kind.name)
                    self._not_told(path, _WHICH_ROLE, self._resources[logical], of_nobody=True)
        rest = self._rest(own)
        return RolePolicies(tuple(self._documents), tuple(self._attached), tuple(self._unknown), rest)

    def _is_by_name(self) -> bool:
        """Return whether a role is looked for by its name, which a role of the template may turn out to have."""
        return bool(self._context.role) and not self._context.part and self._context.kind == "role"

    def _lone_policy(self, logical: str) -> RolePolicies:
        path = ("Resources", logical, "Properties", "PolicyDocument")
        self._add_document(logical, self._properties(logical).get("PolicyDocument"), path)
        return self._found(())

    def _properties(self, logical: str) -> Mapping[str, Any]:
        """Return the properties of a resource; those of a permission set as a role has them."""
        found = super()._properties(logical)
        if self._resources.get(logical, {}).get("Type") != _PERMISSION_SET:
            return found
        inline = [{"PolicyDocument": found["InlinePolicy"]}] * ("InlinePolicy" in found)
        own = [
            one.get("Name") if isinstance(one, dict) else one
            for one in _as_list(found.get("CustomerManagedPolicyReferences"))
        ]
        return {
            **found,
            "Policies": inline,
            "ManagedPolicyArns": [*_as_list(found.get("ManagedPolicies")), *own],
        }

    # --- The rest of the template ---

    def _rest(self, own: Sequence[str]) -> TemplateRest:
        mine = frozenset({*own, *self._names})
        others = dict(self._others)
        for logical in self._holders():
            names = self._names_of(logical)
            others |= {role_name(name): name for name in names} if names else {logical: logical}
        return TemplateRest(
            mine,
            {key: shown for key, shown in others.items() if key not in mine},
            tuple(self._other_holders()),
            tuple(self._unread()),
            tuple(self._definition(one) for one in own),
            {
                policy_key(self._managed_name(name)): (
                    self._or_none(self._properties(name).get("PolicyDocument")),
                    ("Resources", name, "Properties", "PolicyDocument"),
                )
                for name, one in self._resources.items()
                if one["Type"] == _MANAGED
            },
            tuple(sorted(self._defaults)),
        )

    def _other_holders(self) -> Iterator[Holder]:
        """Yield users, groups and permission sets with grants, and managed policies of nobody."""
        for kind, (resource, name, listed, inline) in _KINDS.items():
            if kind == "role":
                continue
            shown = {
                logical: str(self._or_none(self._properties(logical).get(name)) or logical)
                for logical, one in self._resources.items()
                if one["Type"] == resource
            }
            for logical, one in self._resources.items():
                properties = self._properties(logical)
                given = listed if one["Type"] in {_POLICY, _MANAGED} else name * (one["Type"] == inline)
                for value in _as_list(properties.get(given)) if given else ():
                    referred = value.get("Ref") if isinstance(value, dict) else None
                    if referred not in shown:
                        told = self._or_none(value)
                        shown.setdefault(told if isinstance(told, str) else f"{logical}.{given}", str(told))
            yield from (Holder(kind, part, called) for part, called in shown.items())
        given_away = {*self._attached_somewhere()}
        for logical, one in self._resources.items():
            if one["Type"] == _MANAGED and logical not in given_away:
                yield Holder("policy", logical, logical)

    def _attached_somewhere(self) -> Iterator[str]:
        """Yield the managed policies of the template that somebody gets, or that bound somebody."""
        for logical, one in self._resources.items():
            properties = self._properties(logical)
            if one["Type"] == _MANAGED and any(properties.get(key) for key in ("Roles", "Users", "Groups")):
                yield logical
            bound = {
                key: properties.get(key) for key in ("ManagedPolicyArns", "Policies", "PermissionsBoundary")
            }
            yield from mentioned(bound)
        yield from mentioned(_object(self._document.get("Globals")))

    def _unread(self) -> Iterator[tuple[str, Path]]:
        yield from ((name, ("Transform",)) for name in unread_macros(self._document))
        for key in filter(is_expanded, self._document["Resources"]):
            yield f"{'::'.join(key.split('::')[:3])} (not expanded)", ("Resources", key)
        yield from unread_resources(self._resources)
        for logical in self._holders():
            if (holder := self._holder(logical)) != logical:
                for name in added_by_sam(logical, self._all_of(logical)):
                    yield name, ("Resources", holder)

    def _definition(self, logical: str) -> TemplateRole:
        """Return what a role, or the function for which SAM makes it, says of the role itself."""
        path = ("Resources", self._holder(logical), "Properties")
        properties = self._all_of(logical)
        boundary = properties.get("PermissionsBoundary", "")
        here = self._managed_here(boundary)
        found = self._managed_name(here) if here else self._or_none(boundary)
        return TemplateRole(
            logical,
            (*path, "PermissionsBoundary"),
            "" if found is NO_VALUE else found if isinstance(found, str) else None,
            self._trust(logical, properties, (*path, "AssumeRolePolicyDocument")),
            (*path, "AssumeRolePolicyDocument"),
        )

    def _trust(self, logical: str, properties: Mapping[str, Any], path: Path) -> Any:
        """Return the trust policy of a role, with the statements of either outcome of a condition; None for unknown."""
        if "AssumeRolePolicyDocument" not in properties:
            return UNSET
        unknown = len(self._unknown)
        found = list(self._documents_of(logical, properties["AssumeRolePolicyDocument"], path))
        if len(self._unknown) > unknown or not found:
            return None
        if len(found) == 1:
            return found[0].document
        if not all(isinstance(one.document, dict) for one in found):
            return None
        statements = [statement for one in found for statement in _as_list(one.document.get("Statement"))]
        return {**found[0].document, "Statement": statements}

    # --- Who is the role ---

    def _holders(self) -> list[str]:
        """Return the logical names of roles, and of those that SAM makes for functions; or of another kind."""
        found = []
        for logical, one in self._resources.items():
            if one["Type"] == self._kind.resource:
                found.append(logical)
            elif self._kind.resource == _ROLE and one["Type"] in _MAKES_ROLE:
                found += [f"{logical}Role"] * _may_be_absent(self._all_of(f"{logical}Role").get("Role"))
        return found

    def _holder(self, logical: str) -> str:
        """Return the resource that says what a role is: itself, or the function for which SAM makes it."""
        is_itself = self._resources.get(logical, {}).get("Type") == self._kind.resource
        return logical if is_itself else logical.removesuffix("Role")

    def _all_of(self, logical: str) -> Mapping[str, Any]:
        """Return the properties of a role or of its function, with those that SAM gives all functions."""
        holder = self._holder(logical)
        if holder == logical:
            return self._properties(logical)
        kind = str(self._resources[holder]["Type"]).rpartition("::")[2]
        return {**_object(_object(self._document.get("Globals")).get(kind)), **self._properties(holder)}

    def _is_ours(self, logical: str) -> bool:
        """Return whether the role under check is the one of a logical name: a stack's name stands before it."""
        names = self._names_of(logical) or ()
        if self._context.part:
            return self._context.part in (logical, *names)
        role = self._context.role
        if self._context.by_name or self._properties(logical).get(self._kind.name) is not None:
            return role_name(role) in map(role_name, names)
        return role == logical or f"-{logical}-" in role

    def _names_of(self, logical: str) -> list[str] | None:
        """Return the names that a role of the template may give itself; [] for none, None where it does not tell."""
        name = self._properties(logical).get(self._kind.name)
        if name is None:
            return []
        try:
            return [str(one) for one in self._worlds(name) if one is not NO_VALUE]
        except UnresolvedError:
            return None

    def _managed_name(self, logical: str) -> str:
        """Return the ARN of a managed policy of the template; its logical name where nothing tells its name."""
        properties = self._properties(logical)
        name, path = (
            self._or_none(properties.get("ManagedPolicyName")),
            self._or_none(properties.get("Path", "/")),
        )
        return self._context.policy_named(name, path) or logical

    def _managed_here(self, value: Any) -> str:
        """Return the logical name of the managed policy of this template to which a value refers; "" for none."""
        given = value if isinstance(value, dict) and len(value) == 1 else {}
        name = given.get("Ref")
        if parts := attribute_parts(given.get("Fn::GetAtt")):
            name = parts[0] if parts[1] == "PolicyArn" else None
        found = self._resources.get(name, {}) if isinstance(name, str) else {}
        return str(name) if found.get("Type") == _MANAGED else ""

    # --- What it gets ---

    def _read_holder(self, logical: str) -> None:
        """Read what a role, or the function for which SAM makes it, says itself."""
        holder = self._holder(logical)
        path: Path = ("Resources", holder, "Properties")
        for key in self._expanded(holder):
            self._not_told((*path, key), f"{key} is not expanded", self._resources[holder])
        if holder == logical:
            value = self._properties(logical).get("ManagedPolicyArns")
            for place, one in _placed(value, (*path, "ManagedPolicyArns")):
                self._add_attached(one, place)
        for place, policy in _placed(self._properties(holder).get("Policies"), (*path, "Policies")):
            self._add_policy(logical, policy, place)

    def _read_attached(self, logical: str, own: Collection[str]) -> None:
        """Read a policy with a resource of its own, if it is one of the role's."""
        path: Path = ("Resources", logical, "Properties")
        found = self._attachment(logical, own)
        if found.is_there:
            document = self._properties(logical).get("PolicyDocument")
            self._add_document(logical, document, (*path, "PolicyDocument"), optional=found.is_optional)
        expanded = [f"{key} is not expanded" for key in self._expanded(logical)]
        for reason in expanded or ([found.untold] if found.untold and not found.is_there else []):
            whose = "" if found.is_there else "which role it is of: "
            self._not_told(path, f"{whose}{reason}", self._resources[logical], of_nobody=not found.is_there)

    def _add_policy(self, logical: str, policy: Any, place: Path) -> None:
        """Add an inline policy, or the name of one that is attached."""
        if isinstance(policy, dict) and "PolicyDocument" in policy:
            self._add_document(
                logical, policy["PolicyDocument"], (*place, "PolicyDocument"), optional=IF in place
            )
        elif isinstance(policy, dict) and "Statement" in policy:
            self._add_document(logical, {"Version": "2012-10-17"} | policy, place, optional=IF in place)
        elif isinstance(policy, dict) and len(policy) == 1 and not is_function(policy):
            self._attached.append((f"{SAM_TEMPLATE}{next(iter(policy))}", place))
        else:
            self._add_attached(policy, place)

    def _add_attached(self, value: Any, place: Path) -> None:
        """Add the ARN or the name of a managed policy; one of this template has a document there."""
        if self._managed_here(value):
            return
        try:
            worlds = self._worlds(value)
        except UnresolvedError as error:
            self._not_told(place, f"the template does not tell {error}", value)
            return
        names = [name for one in worlds for name in (one if isinstance(one, list) else [one])]
        for name in names:
            known = self._context.document_of(name) if isinstance(name, str) else None
            if name is not NO_VALUE and not isinstance(name, str):
                self._not_told(place, "it is no text", value)
            elif known and (IF in place or len(worlds) > 1) and _denies(known.to_dict()):
                self._not_told(place, _CONDITIONAL_DENY, value)
            elif isinstance(name, str):
                self._attached.append((name, place))

    def _add_document(self, name: str, value: Any, path: Path, *, optional: bool = False) -> None:
        self._documents += self._documents_of(name, value, path, optional=optional)

    def _documents_of(
        self, name: str, value: Any, path: Path, *, optional: bool = False
    ) -> Iterator[KnownDocument]:
        """Yield the parts of a policy document that are told; the others become unknown grants.

        Args:
            name: of the part of the template.
            value: the document.
            path: its place.
            optional: whether a condition may leave it out: what it denies may be allowed then.
        """
        if branches := branches_of(value):
            for number, branch in enumerate(branches, 1):
                yield from self._documents_of(name, branch, (*path, IF, number), optional=True)
        elif isinstance(value, dict) and "Statement" in value and not any(map(is_expanded, value)):
            yield from self._by_statement(name, value, path, optional=optional)
        elif value != {"Ref": "AWS::NoValue"}:
            try:
                worlds = self._worlds(value)
            except UnresolvedError as error:
                self._not_told(path, f"the template does not tell {error}", value)
                return
            for found in worlds:
                if (optional or len(worlds) > 1) and _denies(found):
                    self._not_told(path, _CONDITIONAL_DENY, value)
                elif found is not NO_VALUE:
                    yield KnownDocument(name, found, path)

    def _by_statement(
        self, name: str, value: Mapping[str, Any], path: Path, *, optional: bool
    ) -> Iterator[KnownDocument]:
        statements: list[Any] = []
        numbers: list[int] = []
        listed = isinstance(value["Statement"], list)
        for number, one in enumerate(value["Statement"] if listed else [value["Statement"]]):
            place: Path = (*path, "Statement", number) if listed else (*path, "Statement")
            for statement in self._statements(one, place, optional=optional):
                statements.append(statement)
                numbers.append(number)
        head = {key: self._or_none(one) for key, one in value.items() if key in {"Version", "Id"}}
        others = {key: one for key, one in value.items() if key not in {"Version", "Id", "Statement"}}
        if head.get("Version", "") is None:
            self._not_told(
                (*path, "Version"), "the template does not tell the version of the document", value
            )
        elif statements or not value["Statement"]:
            yield KnownDocument(name, {**head, **others, "Statement": statements}, path, tuple(numbers))

    def _statements(self, value: Any, path: Path, *, optional: bool) -> list[Any]:
        """Return the statements that one of a document may be; none where it is not told."""
        try:
            worlds = self._worlds(value)
        except UnresolvedError as error:
            self._not_told(path, f"the template does not tell {error}", value)
            return []
        found = [one for world in worlds for one in (world if isinstance(world, list) else [world])]
        found = [one for one in found if one is not NO_VALUE]
        if (optional or len(worlds) > 1) and any(map(_denies, found)):
            self._not_told(path, _CONDITIONAL_DENY, value)
            found = [one for one in found if not _denies(one)]
        return found

    def _not_told(self, path: Path, reason: str, value: Any, *, of_nobody: bool = False) -> None:
        """Add an unknown grant."""
        _, logical, *rest = path
        within = [str(one) for one in rest if one != "Properties"]
        name = ".".join([str(logical), *within])
        parts, left = dict[str, Any](), list(mentioned(value))
        while left:
            if (one := left.pop()) not in parts:
                found = (part.get(one) for part in (self._resources, self._parameters, self._mappings))
                parts[one] = [*found, self._conditions.get(one)]
                left += mentioned(parts[one])
        self._unknown.append(UnknownGrant(name, reason, path, content_digest(value, parts), of_nobody))

    # --- Whether a policy is one of the role's ---

    def _attachment(self, logical: str, own: Collection[str]) -> _Attachment:
        """Return whether a policy of the template is attached to the role, by the role or by itself."""
        properties = self._properties(logical)
        is_there, untold, certain = False, "", False
        for role in own:
            for place, one in _placed(self._properties(role).get("ManagedPolicyArns"), ()):
                if self._managed_here(one) == logical:
                    is_there, certain = True, certain or IF not in place
        given = (
            self._kind.name if self._resources[logical]["Type"] == self._kind.inline else self._kind.listed
        )
        for place, one in _placed(properties.get(given), ()) if given else ():
            try:
                fits = self._names_role(one, own)
            except UnresolvedError as error:
                untold = f"the template does not tell {error}"
            else:
                is_there = is_there or any(fits)
                certain = certain or (all(fits) and IF not in place)
        return _Attachment(
            is_there, is_there and (not certain or self._may_be_left_out(logical, own)), untold
        )

    def _may_be_left_out(self, logical: str, own: Collection[str]) -> bool:
        """Return whether a condition may leave out a policy and not the role."""
        condition = self._resources[logical].get("Condition")
        of_roles = {str(self._resources[self._holder(role)].get("Condition")) for role in own}
        return condition is not None and str(condition) not in of_roles

    def _names_role(self, value: Any, own: Collection[str]) -> list[bool]:
        """Return for each value that an expression may have whether it is the name of the role under check.

        Raises:
            UnresolvedError: the template does not tell whose name it is.
        """
        named = value.get("Ref") if isinstance(value, dict) else None
        if named in own:
            return [True]
        if named in self._holders():
            names = self._names_of(str(named))
            # no two roles have one name, and a stack's own is none of another one
            if names or own or names == []:
                return [any(role_name(name) in self._names for name in names or ())]
        fits = []
        for found in self._worlds(value):
            texts = (
                found if isinstance(found, list) else [found] * (found is not NO_VALUE and found is not None)
            )
            # A parameter may be a list, in one text with commas; so may a name have them.
            split = [one.strip() for text in texts if text for one in str(text).split(",")]
            if self._context.kind == "role":
                self._others |= {role_name(name): name for name in split}
            fits.append(any(role_name(name) in self._names for name in (*map(str, texts), *split)))
        return fits or [False]


_WHICH_ROLE = "which role it is: the template does not tell its name"
_CONDITIONAL_DENY = "it has a Deny that a condition may leave out"


def _denies(document: Any) -> bool:
    """Return whether a document or a statement may have a Deny."""
    return '"Deny"' in (document if isinstance(document, str) else json.dumps(document, default=str))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_list(value: Any) -> list[Any]:
    return [one for _, one in _placed(value, ())]


def _placed(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a property that is one or a list, but for those that are left out, each with its place.

    Which branch of ``Fn::If`` counts is decided when the template is deployed: both are there, and their places say so.
    """
    listed = isinstance(value, list)
    for number, one in enumerate(value if listed else [value]):
        place: Path = (*path, number) if listed else path
        if branches := branches_of(one):
            for branch, found in enumerate(branches, 1):
                yield from _placed(found, (*place, IF, branch))
        elif one is not None and one != {"Ref": "AWS::NoValue"}:
            yield place, one


def _may_be_absent(value: Any) -> bool:
    """Return whether a property is left out, or may be."""
    return value is None or value == {"Ref": "AWS::NoValue"} or any(map(_may_be_absent, branches_of(value)))
