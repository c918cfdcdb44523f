"""Reads the policies of a role from what ``terraform show -json`` prints of a plan or of a state.

A plan does not have what is known only after apply, nor the text of an expression: of such a value it tells to what it
refers. A reference to one resource is taken for its name or its ARN; all else is a grant that is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import UNSET

from policygen.gate.sources import (
    Holder,
    TemplateRest,
    TemplateRole,
    UnknownGrant,
    content_digest,
    policy_key,
    role_name,
)
from policygen.gate.templates.model import (
    KnownDocument,
    RolePolicies,
    TemplateContext,
    no_such_role,
)
from policygen.gate.templates.terraform_resources import (
    INDEX,
    TerraformResource,
    items,
    mapping,
    resources_in,
)
from policygen.iam.locations import Path


def is_terraform(document: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a plan or a state as Terraform or OpenTofu prints it."""
    return "format_version" in document and ("planned_values" in document or "values" in document)


def terraform_policies(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return the policies of a role, or of another holder.

    Raises:
        UsageError: PG-E250, there is no such role.
    """
    return _Reader(document, file, context).policies()


def rest_of_terraform(document: Mapping[str, Any], file: str, context: TemplateContext) -> RolePolicies:
    """Return what a plan holds, seen from no role: without documents, and with what may be anybody's."""
    return _Reader(document, file, context).seen_from_nobody()


class _HolderKind(NamedTuple):
    """What Terraform calls the parts of one kind of holder."""

    resource: str
    inline: tuple[str, str, str]
    """The resource that is an inline policy, and its attributes that say of whom it is, and what it says."""
    attaching: Mapping[str, tuple[str, str]]
    """A resource that attaches managed policies -> its attributes that say to whom, and which ones."""
    listed: str = ""
    """The attribute of a managed policy, or of an attachment, that lists holders."""


def _kind(holder: str) -> _HolderKind:
    return _HolderKind(
        f"aws_iam_{holder}",
        (f"aws_iam_{holder}_policy", holder, "policy"),
        {
            f"aws_iam_{holder}_policy_attachment": (holder, "policy_arn"),
            f"aws_iam_{holder}_policy_attachments_exclusive": (f"{holder}_name", "policy_arns"),
            "aws_iam_policy_attachment": (f"{holder}s", "policy_arn"),
        },
        f"{holder}s",
    )


_SET = "permission_set_arn"
_KINDS = {
    **{holder: _kind(holder) for holder in ("role", "user", "group")},
    "permission set": _HolderKind(
        "aws_ssoadmin_permission_set",
        ("aws_ssoadmin_permission_set_inline_policy", _SET, "inline_policy"),
        {
            "aws_ssoadmin_managed_policy_attachment": (_SET, "managed_policy_arn"),
            "aws_ssoadmin_customer_managed_policy_attachment": (_SET, "customer_managed_policy_reference"),
        },
    ),
}
_MANAGED = "aws_iam_policy"
_PREFIXES = {
    "aws_iam_role": ("aws_iam_role.", "awscc_iam_role."),
    "aws_iam_user": ("aws_iam_user.", "awscc_iam_user."),
    "aws_iam_group": ("aws_iam_group.", "awscc_iam_group."),
    "aws_ssoadmin_permission_set": ("aws_ssoadmin_permission_set.", "awscc_sso_permission_set."),
    _MANAGED: ("aws_iam_policy.", "awscc_iam_managed_policy.", "data.aws_iam_policy."),
}
"""How references to a resource begin, by what `TerraformResource` calls it."""
_APPLY = "is known only after apply"


class _Reader:
    """Finds the policies of one role among the resources."""

    def __init__(self, document: Mapping[str, Any], file: str, context: TemplateContext) -> None:
        self._document, self._file, self._context = document, file, context
        self._resources = resources_in(document)
        self._by_kind: dict[str, list[TerraformResource]] = {}
        for one in self._resources:
            self._by_kind.setdefault(one.kind, []).append(one)
        self._kind = _KINDS.get(context.kind, _KINDS["role"])
        self._own = [one for one in self._of_kind(self._kind.resource) if self._is_own(one)]
        named = (one.values.get(key) for one in self._own for key in ("name", "arn"))
        self._names = {role_name(one) for one in (context.role, *named) if isinstance(one, str) and one}
        self._documents: dict[Path, KnownDocument] = {}
        self._attached: list[tuple[str, Path]] = []
        self._unknown: list[UnknownGrant] = []
        self._others = {
            _key(one): str(one.values.get("name") or one.address) for one in self._of_kind("aws_iam_role")
        }

    @cached_property
    def _digest(self) -> str:
        return content_digest(self._document)

    def policies(self) -> RolePolicies:
        if self._context.kind == "policy":
            return self._lone_policy()
        found = bool(self._own)
        for role in self._own:
            self._add_inline(role)
            self._add_attached(role, "managed_policy_arns")
            if "customer_managed" in role.values:
                self._add_attached(role, "customer_managed")
        kind, attribute, document = self._kind.inline
        for one in self._those_of(kind, attribute):
            found = True
            self._add_document(one, document)
        for one in self._those_of(_MANAGED, self._kind.listed) if self._kind.listed else ():
            found = True
            self._add_document(one)
        for kind, (attribute, policy_is) in self._kind.attaching.items():
            for one in self._those_of(kind, attribute):
                found = True
                self._add_attached(one, policy_is)
        for one in self._those_of(f"{self._kind.resource}_policies_exclusive", f"{self._context.kind}_name"):
            found = True
            self._add_kept(one)
        if not found:
            names = {str(one.values.get("name") or one.address) for one in self._of_kind("aws_iam_role")}
            raise no_such_role(self._file, self._context, names)
        return self._found()

    def seen_from_nobody(self) -> RolePolicies:
        kind, attribute, _ = self._kind.inline
        exclusive = (f"{self._kind.resource}_policies_exclusive", "role_name")
        attaching = ((one, to) for one, (to, _) in self._kind.attaching.items())
        for one, to in ((kind, attribute), (_MANAGED, self._kind.listed), exclusive, *attaching):
            self._those_of(one, to)
        return self._found()

    def _lone_policy(self) -> RolePolicies:
        for one in self._of_kind(_MANAGED):
            if one.address == self._context.part:
                self._add_document(one)
        return self._found()

    def _found(self) -> RolePolicies:
        by_name = self._context.role and not self._context.part and self._context.kind == "role"
        for one in self._of_kind(self._kind.resource) if by_name else ():
            if one not in self._own and one.is_untold("name"):
                self._not_told(one, "name", f"which role it is {_APPLY}", of_nobody=True)
        rest = self._rest()
        return RolePolicies(
            tuple(self._documents.values()), tuple(self._attached), tuple(self._unknown), rest
        )

    # --- The rest of the plan ---

    def _rest(self) -> TemplateRest:
        own = frozenset({*map(_key, self._own), *self._names})
        managed = {
            policy_key(self._managed_name(one)): (one.values.get("policy"), one.place("policy"))
            for one in self._of_kind(_MANAGED)
        }
        unread = (
            *_unread_resources(self._resources),
            *_unread_parts(self._document, {one.address for one in self._resources}),
        )
        return TemplateRest(
            own,
            {key: shown for key, shown in self._others.items() if key not in own},
            tuple(self._holders()),
            unread,
            tuple(map(self._definition, self._own)),
            managed,
        )

    def _holders(self) -> Iterator[Holder]:
        """Yield users, groups and permission sets, those that only get something, and managed policies of nobody."""
        for kind, of in _KINDS.items():
            if kind == "role":
                continue
            here = self._of_kind(of.resource)
            yield from (Holder(kind, one.address, str(one.values.get("name") or one.address)) for one in here)
            known = {
                role_name(text)
                for one in here
                for key in ("name", "arn")
                if isinstance(text := one.values.get(key), str)
            }
            giving = [(of.inline[0], of.inline[1]), (_MANAGED, of.listed)]
            giving += [(one, to) for one, (to, _) in of.attaching.items()]
            texts = list[str]()
            for name, attribute in giving:
                for one in self._of_kind(name) if attribute else ():
                    texts += [text for text in _values(one, attribute) if isinstance(text, str)]
                    if _is_untold(one, attribute) and not any(one.refers_to(attribute, two) for two in here):
                        texts.append(f"{one.address}.{attribute}")
            yield from (
                Holder(kind, text, role_name(text))
                for text in dict.fromkeys(texts)
                if role_name(text) not in known
            )
        given = self._given_away()
        yield from (
            Holder("policy", one.address, str(one.values.get("name") or one.address))
            for one in self._of_kind(_MANAGED)
            if not one.is_data
            and given.isdisjoint({(one.module, one.label), ("", str(one.values.get("arn")))})
            and not any(one.values.get(of.listed) for of in _KINDS.values() if of.listed)
        )

    def _given_away(self) -> set[tuple[str, str]]:
        """Return the managed policies that somebody gets or is bound by: module and label, or "" and the ARN."""
        attributes = ("policy_arn", "policy_arns", "managed_policy_arns", "permissions_boundary")
        found = set[tuple[str, str]]()
        for one in self._resources:
            for attribute in attributes:
                found |= {(one.module, INDEX.sub("", ref)) for ref in one.references(attribute)}
                found |= {("", arn) for arn in _values(one, attribute) if isinstance(arn, str)}
        return found

    def _definition(self, one: TerraformResource) -> TemplateRole:
        """Return what a role's resource says of the role itself."""
        boundary: str | None = str(one.values.get("permissions_boundary") or "")
        if one.is_untold("permissions_boundary"):
            found = self._referred(one, "permissions_boundary")
            boundary = self._managed_name(found[0]) if len(found) == 1 else None
        trust = one.values.get("assume_role_policy", UNSET)
        if one.is_untold("assume_role_policy"):
            trust = None
            self._not_told(one, "assume_role_policy", f"who may assume it {_APPLY}")
        return TemplateRole(
            one.address, one.place("permissions_boundary"), boundary, trust, one.place("assume_role_policy")
        )

    def _managed_name(self, one: TerraformResource) -> str:
        """Return the ARN of a managed policy of the plan; its address where nothing tells its name."""
        arn, name, path = (one.values.get(key) for key in ("arn", "name", "path"))
        return str(arn or self._context.policy_named(name, path) or one.address)

    def _of_kind(self, kind: str) -> Sequence[TerraformResource]:
        return self._by_kind.get(kind, ())

    # --- Who is the role ---

    def _is_own(self, role: TerraformResource) -> bool:
        """Return whether a resource is the role under check: by its address if one is given, else by its name."""
        if self._context.part:
            return self._context.part in (role.address, role.values.get("name"))
        return role_name(str(role.values.get("name"))) == role_name(self._context.role)

    def _those_of(self, kind: str, attribute: str) -> list[TerraformResource]:
        """Return the resources of a kind that are the role's; what nothing tells becomes an unknown grant."""
        found = []
        for one in self._of_kind(kind):
            untold = False
            names = [name for name in _values(one, attribute) if isinstance(name, str)]
            if self._context.kind == "role":
                shown = {role_name(name): name.rpartition("/")[2] for name in names}
                self._others |= {key: name for key, name in shown.items() if key not in self._others}
            is_ours = not self._names.isdisjoint(map(role_name, names))
            if not is_ours and _is_untold(one, attribute):
                is_ours, untold = self._is_by_reference(one, attribute)
            if is_ours:
                found.append(one)
            elif untold:
                self._not_told(one, "", f"which role it is of {_APPLY}", of_nobody=True)
        return found

    def _is_by_reference(self, one: TerraformResource, attribute: str) -> tuple[bool, bool]:
        """Return whether what an attribute refers to is the role, and whether nothing tells.

        Of several roles that are not known, one may be the role that none of the references names.
        """
        kind = self._kind.resource
        referred = [role for role in self._of_kind(kind) if one.refers_to(attribute, role)]
        ours = [role for role in referred if role in self._own]
        references = one.references(attribute)
        told = bool(references) and all(ref.startswith(_PREFIXES[kind]) for ref in references)
        if len(referred) == 1 or attribute == self._kind.listed:
            is_certain = told and attribute != self._kind.listed
            return bool(ours), not is_certain
        if told and referred and len({role.label for role in referred}) == 1:
            if not ours:
                return False, False
            # One for each role, as it seems: which one is the role's, its key tells, if it matters at all.
            alike = [
                two for two in self._of_kind(one.kind) if (two.module, two.label) == (one.module, one.label)
            ]
            if all(two.values == one.values for two in alike) and one.instance:
                return one.instance in {role.instance for role in ours}, False
        return False, not (told and not referred)

    # --- What it gets ---

    def _add_inline(self, role: TerraformResource) -> None:
        if role.is_untold("inline_policy"):
            self._not_told(role, "inline_policy", f"it {_APPLY}")
        inline = role.values.get("inline_policy")
        if isinstance(inline, str):  # of a permission set it is one document
            self._add(role, role.address, inline, role.place("inline_policy"))
        for number, one in enumerate(map(mapping, items(inline))):
            key = "policy_document" if "policy_name" in one else "policy"  # the first is awscc's
            if one:
                place = role.place("inline_policy", number, key)
                self._add(role, f"{role.address}.inline_policy", one.get(key), place)

    def _add_attached(self, one: TerraformResource, attribute: str) -> None:
        """Add the managed policies that an attribute names; what it refers to tells one policy, and never several."""
        value = one.values.get(attribute)
        for number, named in enumerate(_values(one, attribute)):
            arn = named.get("name") if isinstance(named, dict) else named
            if isinstance(arn, str):
                place = one.place(attribute, number) if isinstance(value, list) else one.place(attribute)
                self._add_by_arn(arn, place)
        if not _is_untold(one, attribute):
            return
        found = self._referred(one, attribute) if attribute == "policy_arn" else []
        texts = {str(policy.values.get("policy")) for policy in found}
        if not found or (len(found) > 1 and (len(texts) > 1 or texts == {"None"})):
            self._not_told(one, attribute, f"which policy it attaches {_APPLY}")
            return
        for policy in found[:1]:
            self._add_document(policy)

    def _referred(self, one: TerraformResource, attribute: str) -> list[TerraformResource]:
        """Return the instances of the only managed policy to which an attribute refers; [] where it is none."""
        references = one.references(attribute)
        if not all(ref.startswith(_PREFIXES[_MANAGED]) for ref in references):
            return []
        found = [policy for policy in self._of_kind(_MANAGED) if one.refers_to(attribute, policy)]
        return found if len({policy.label for policy in found}) == 1 else []

    def _add_by_arn(self, arn: str, place: Path) -> None:
        found = [one for one in self._of_kind(_MANAGED) if one.values.get("arn") == arn]
        for policy in found:
            self._add_document(policy)
        if not found:
            self._attached.append((arn, place))

    def _add_kept(self, one: TerraformResource) -> None:
        """Add inline policies that stay on the role without being in the template, as the role has them today."""
        if _is_untold(one, "policy_names"):
            self._not_told(one, "policy_names", f"which policies it keeps {_APPLY}")
        kind, attribute, _ = self._kind.inline
        here = {str(policy.values.get("name")) for policy in self._those_of(kind, attribute)}
        for role in self._own:
            inline = map(mapping, items(role.values.get("inline_policy")))
            here |= {str(policy.get("name") or policy.get("policy_name")) for policy in inline}
        for number, name in enumerate(_values(one, "policy_names")):
            if isinstance(name, str) and name not in here:
                place, today = one.place("policy_names", number), self._context.inline.get(name)
                if today:
                    self._documents[place] = KnownDocument(one.address, today.to_dict(), place)
                else:
                    self._attached.append((f"inline policy {name}", place))

    def _add_document(self, one: TerraformResource, attribute: str = "policy") -> None:
        self._add(one, one.address, one.values.get(attribute), one.place(attribute))

    def _add(self, one: TerraformResource, name: str, document: Any, path: Path) -> None:
        if isinstance(document, str) or (isinstance(document, dict) and not one.is_partly_unknown(path)):
            self._documents[path] = KnownDocument(name, document, path)
        else:
            self._not_told(one, name.removeprefix(one.address).strip("."), f"its policy {_APPLY}", path=path)

    def _not_told(
        self,
        one: TerraformResource,
        attribute: str,
        reason: str,
        *,
        of_nobody: bool = False,
        path: Path = (),
    ) -> None:
        """Add an unknown grant.

        Of an expression a plan has no text, so what is accepted is this very plan; to whom a policy is given that it
        tells, is what it refers to.
        """
        content = content_digest(one.values, one.refers) if of_nobody else self._digest
        name = f"{one.address}.{attribute}" if attribute else one.address
        place = path or (one.place(attribute) if attribute else one.path)
        self._unknown.append(UnknownGrant(name, reason, place, content, of_nobody))


_OPTIONAL = {"roles", "users", "groups", "managed_policy_arns", "customer_managed"}
"""Attributes that may be left out."""


def _key(role: TerraformResource) -> str:
    """Return a role's name as IAM compares it; of one whose name is not known, its address."""
    name = role.values.get("name")
    return role_name(name) if isinstance(name, str) else role.address


def _is_untold(one: TerraformResource, attribute: str) -> bool:
    return one.is_untold(attribute) if attribute in _OPTIONAL else None in _values(one, attribute)


def _values(one: TerraformResource, attribute: str) -> list[Any]:
    """Return the values of an attribute, which may be one or a list."""
    value = one.values.get(attribute)
    return value if isinstance(value, list) else [value]


# --- What may grant, and is not read ---

_STACKS = {
    "aws_cloudformation_stack",
    "aws_cloudformation_stack_set",
    "aws_cloudformation_stack_set_instance",
    "aws_cloudformation_stack_instances",
    "aws_serverlessapplicationrepository_cloudformation_stack",
    "aws_servicecatalog_provisioned_product",
    "awscc_cloudformation_stack",
    "awscc_cloudformation_stack_set",
    "awscc_servicecatalog_cloudformation_provisioned_product",
}
"""Resources that hold a template of their own."""
_CLOUD_CONTROL = "aws_cloudcontrolapi_resource"
"""The resource that makes one of any type of CloudFormation."""
_GRANTING = ("AWS::IAM::", "AWS::SSO::", "AWS::CloudFormation::", "AWS::ServiceCatalog::")
_HOLDERS = ("role", "user", "group")
_READ = {
    "aws_iam_policy",
    "aws_iam_policy_attachment",
    "aws_iam_role_policies_exclusive",
    "aws_ssoadmin_permission_set",
    "aws_ssoadmin_permission_set_inline_policy",
    "aws_ssoadmin_managed_policy_attachment",
    "aws_ssoadmin_customer_managed_policy_attachment",
    *(f"aws_iam_{one}" for one in _HOLDERS),
    *(f"aws_iam_{one}_policy" for one in _HOLDERS),
    *(f"aws_iam_{one}_policy_attachment" for one in _HOLDERS),
    *(f"aws_iam_{one}_policy_attachments_exclusive" for one in _HOLDERS),
}
_HARMLESS = {
    "aws_iam_user_login_profile",
    "aws_iam_user_ssh_key",
    "aws_ssoadmin_permissions_boundary_attachment",
    "aws_ssoadmin_instance_access_control_attributes",
    "aws_ssoadmin_permission_set_wait",
}
"""Resources that are called as if they granted, and do not."""
_MAY_GRANT = ("aws_iam_role", "aws_iam_user", "aws_iam_group", "aws_ssoadmin_", "awscc_iam_", "awscc_sso_")
_GRANTS_NOTHING = (
    "awscc_iam_instance_profile", "awscc_iam_oidc_provider", "awscc_iam_saml_provider",
    "awscc_iam_server_certificate", "awscc_iam_service_linked_role", "awscc_iam_virtual_mfa_device",
    "awscc_sso_instance", "aws_ssoadmin_application", "awscc_sso_application",
)  # fmt: skip


def _unread_resources(resources: Sequence[TerraformResource]) -> Iterator[tuple[str, Path]]:
    """Yield the resources that may grant, each with its address and its place."""
    for one in resources:
        if not one.is_data and _is_unread(one) and not _is_about_what_is_read(one, resources):
            yield one.address, one.path


def _is_unread(one: TerraformResource) -> bool:
    if one.kind == _CLOUD_CONTROL:
        return str(one.values.get("type_name") or _GRANTING[0]).startswith(_GRANTING)
    if one.kind in _STACKS:
        return True
    if one.kind in _READ | _HARMLESS or one.kind.startswith(_GRANTS_NOTHING):
        return False
    return one.kind.startswith(_MAY_GRANT)


def _is_about_what_is_read(one: TerraformResource, resources: Sequence[TerraformResource]) -> bool:
    """Return whether a membership or an assignment is one in a group, or of a permission set, of this plan."""
    wanted = {
        "aws_iam_group_membership": ("group", "aws_iam_group"),
        "aws_iam_user_group_membership": ("groups", "aws_iam_group"),
        "aws_ssoadmin_account_assignment": ("permission_set_arn", "aws_ssoadmin_permission_set"),
        "awscc_sso_assignment": ("permission_set_arn", "aws_ssoadmin_permission_set"),
    }.get(one.kind)
    if wanted is None:
        return False
    attribute, kind = wanted
    here = [two for two in resources if two.kind == kind and not two.is_data]
    value = one.values.get(attribute)
    names = value if isinstance(value, list) else [value]
    if value is not None and None not in names:
        known = {two.values.get(key) for two in here for key in ("name", "arn")}
        return set(names) <= known
    return any(one.refers_to(attribute, two) for two in here)


def _unread_parts(document: Mapping[str, Any], planned: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield what a plan says that its planned values do not hold: what Terraform forgets stays in AWS."""
    if document.get("errored") is True:
        yield "what Terraform had not planned when it ended with an error", ("errored",)
    for number, one in enumerate(map(mapping, items(document.get("resource_changes")))):
        address, change = str(one.get("address")), mapping(one.get("change"))
        place: Path = ("resource_changes", number)
        may_grant = (*_MAY_GRANT, "aws_iam_policy")
        grants = str(one.get("type")).startswith(may_grant) and one.get("mode") != "data"
        if grants and "forget" in items(change.get("actions")):
            yield f"{address} (forgotten, and still there)", place
        elif grants and change.get("after") and address not in planned:
            yield f"{address} (not among the planned values)", place
    deferred = [
        mapping(mapping(one).get("resource_change")) for one in items(document.get("deferred_changes"))
    ]
    for number, one in enumerate(deferred):
        yield f"{one.get('address')} (deferred)", ("deferred_changes", number)
    if document.get("complete") is False and not deferred:
        yield 'what the plan leaves out ("complete" is false, as with -target)', ("complete",)
    root = mapping(mapping(document.get("configuration")).get("root_module"))
    yield from _provisioners(root, ("configuration", "root_module"))


_COPIES = "file"
"""The provisioner that runs nothing."""


def _provisioners(module: Mapping[str, Any], path: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the programs that resources run when they are made: they may do anything."""
    for number, one in enumerate(map(mapping, items(module.get("resources")))):
        kinds = [str(mapping(found).get("type")) for found in items(one.get("provisioners"))]
        if any(kind != _COPIES for kind in kinds):
            place: Path = (*path, "resources", number, "provisioners")
            yield f"{prefix}{one.get('address')} (its provisioner)", place
    for name, call in mapping(module.get("module_calls")).items():
        inner: Path = (*path, "module_calls", name, "module")
        yield from _provisioners(mapping(mapping(call).get("module")), inner, f"{prefix}module.{name}.")
