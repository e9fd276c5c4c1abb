"""A template made ready: references, conditions, locals, rules, counts, dependencies, outputs."""

from __future__ import annotations

import pytest
from language import Resources, program, properties, refused

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.program import references


def test_dependencies_come_from_references_and_from_depends_on() -> None:
    ready = program(
        """
        Resources:
          Web: {Type: T, Properties: {A: !GetAtt Disk.Id, B: !Sub "${Net} ${Group.Id}"}, DependsOn: [Log, Net]}
          Net: {Type: T}
          Disk: {Type: T, Properties: {Size: {Fn::Select: [0, [!Ref Net]]}}}
          Group: {Type: T, DependsOn: Net}
          Log: {Type: T}
        """
    )
    assert ready.resources["Web"].depends_on == {"Disk", "Net", "Group", "Log"}
    assert ready.resources["Disk"].depends_on == {"Net"}
    assert ready.order == ("Net", "Disk", "Group", "Log", "Web")
    assert properties(ready, "Web") == {"A": "Disk.Id", "B": "id-Net Group.Id"}


def test_a_condition_that_is_false_drops_resources_outputs_and_dependencies() -> None:
    text = """
        Parameters: {Size: {Type: Number, Default: 1}}
        Conditions:
          Big: {Fn::Not: {Fn::Equals: [!Ref Size, 1]}}
          Small: {Fn::Not: Big}
        Resources:
          Extra: {Type: ALIYUN::ECS::VPC, Condition: Big}
          Web:
            Type: T
            DependsOn: Extra
            Properties:
              Id: {Fn::If: [Big, !Ref Extra, none]}
              Gone: {Fn::If: [Big, !Ref Extra, !Ref ALIYUN::NoValue]}
              Null: !GetAtt Extra.VpcId
        Outputs:
          ExtraId: {Value: !Ref Extra, Condition: Big}
          WebId: {Value: !Sub "${Web}", Condition: Small}
    """
    small = program(text)
    assert small.conditions == {"Big": False, "Small": True}
    assert small.order == ("Web",)
    assert small.resources["Web"].depends_on == frozenset()
    assert properties(small, "Web") == {"Id": "none", "Null": None}
    assert {name: small.resolve_output(node, Resources()) for name, node in small.outputs.items()} == {
        "WebId": "id-Web"
    }
    big = program(text, Size="2")
    assert big.order == ("Extra", "Web")
    assert properties(big, "Web") == {"Id": "id-Extra", "Gone": "id-Extra", "Null": "Extra.VpcId"}
    assert big.outputs["ExtraId"].depends_on == {"Extra"}
    assert set(big.outputs) == {"ExtraId"}


def test_count_makes_copies() -> None:
    ready = program(
        """
        Parameters: {N: {Type: Number, Default: 2}}
        Resources:
          Net: {Type: T, Count: "2", Properties: {I: !Ref ALIYUN::Index}}
          Web:
            Type: ALIYUN::ECS::Instance
            Count: {Fn::Add: [!Ref N, 1]}
            DependsOn: Log
            Properties:
              Name: !Sub web-${ALIYUN::Index}
              Own: {Fn::Select: [!Ref ALIYUN::Index, !Ref Net]}
              OwnId: {Fn::Select: [!Ref ALIYUN::Index, !GetAtt Net.Id]}
              Zone: {Fn::Select: [!Ref ALIYUN::Index, {Fn::GetAZs: !Ref ALIYUN::Region}]}
          All: {Type: T, Properties: {Ids: !Ref Web, Ips: !GetAtt Web.PrivateIp, First: !Ref "Web[0]"}}
          Log: {Type: T, Count: 1}
          After: {Type: T, DependsOn: [Web]}
          None: {Type: T, Count: 0}
        Outputs: {Ids: {Value: !Ref Web}, Nothing: {Value: !Ref None}}
        """
    )
    assert list(ready.resources) == ["Net[0]", "Net[1]", "Web[0]", "Web[1]", "Web[2]", "All", "Log[0]", "After"]
    assert ready.resources["Web[0]"].depends_on == {"Net[0]", "Log[0]"}
    assert ready.resources["Web[2]"].depends_on == {"Net[0]", "Net[1]", "Log[0]"}
    assert ready.resources["Web[1]"].index == 1
    assert ready.resources["All"].index is None
    assert ready.resources["After"].depends_on == {"Web[0]", "Web[1]", "Web[2]"}
    assert properties(ready, "Net[1]") == {"I": 1}
    assert properties(ready, "Web[1]") == {
        "Name": "web-1",
        "Own": "id-Net[1]",
        "OwnId": "Net[1].Id",
        "Zone": "cn-hangzhou-i",
    }
    assert properties(ready, "Web[2]") == {"Name": "web-2", "Own": "", "OwnId": "", "Zone": ""}
    assert properties(ready, "All") == {
        "Ids": ["id-Web[0]", "id-Web[1]", "id-Web[2]"],
        "Ips": ["Web[0].PrivateIp", "Web[1].PrivateIp", "Web[2].PrivateIp"],
        "First": "id-Web[0]",
    }
    assert ready.resolve_output(ready.outputs["Ids"], Resources()) == ["id-Web[0]", "id-Web[1]", "id-Web[2]"]
    assert ready.resolve_output(ready.outputs["Nothing"], Resources()) == []


def test_locals_and_conditions_may_need_each_other() -> None:
    ready = program(
        """
        Parameters: {Name: {Type: String, Default: x}}
        Conditions:
          IsX: {Fn::Equals: [!Ref Name, x]}
          Long: {Fn::Equals: [!Ref Size, 3]}
          Same: {Fn::Equals: [!Ref Greeting, hello x]}
        Locals:
          Size: {Type: Eval, Value: {Fn::If: [IsX, 3, 4]}}
          Greeting: {Value: {Fn::Join: [" ", [hello, !Ref Name]]}}
          Link: {Value: !Sub "${Greeting} ${Net} ${Size}"}
          IsLong: {Type: Eval, Value: {Fn::Not: {Fn::Not: Long}}}
        Resources:
          Net: {Type: T}
          Web: {Type: T, Properties: {Text: !Ref Link, Sub: !Sub "<${Link}>", Long: !Ref IsLong}}
        """
    )
    assert ready.conditions == {"IsX": True, "Long": True, "Same": True}
    assert ready.resources["Web"].depends_on == {"Net"}
    assert properties(ready, "Web") == {"Text": "hello x id-Net 3", "Sub": "<hello x id-Net 3>", "Long": True}


def test_a_macro_sees_the_index_of_the_place_where_it_is_put() -> None:
    ready = program(
        """
        Locals: {Name: {Value: !Sub "web-${ALIYUN::Index}"}}
        Resources: {Web: {Type: T, Count: 2, Properties: {Name: !Ref Name}}}
        """
    )
    assert properties(ready, "Web[1]") == {"Name": "web-1"}


def test_rules_are_kept_or_break() -> None:
    text = """
        Parameters: {A: {Type: String}, B: {Type: String, Default: null}}
        Rules:
          Differ:
            RuleCondition: {Fn::Not: {Fn::Equals: [!Ref B, null]}}
            Assertions:
              - {Assert: {Fn::Not: {Fn::Equals: [!Ref A, !Ref B]}}, AssertDescription: A and B must differ}
        Resources: {}
    """
    assert program(text, A="x").order == ()
    assert program(text, A="x", B="y").order == ()
    assert refused(text, A="x", B="x") == (
        "StackValidationFailed",
        "Rules.Differ.Assertions[0]: A and B must differ.",
    )


def test_deletion_policy_is_settled() -> None:
    text = """
        Parameters: {Keep: {Type: String, Default: null}}
        Resources:
          A: {Type: T}
          B: {Type: T, DeletionPolicy: Retain}
          C: {Type: T, DeletionPolicy: !Ref Keep, UpdatePolicy: {X: 1}, Metadata: {Y: 2}}
    """
    assert [node.deletion_policy for node in program(text).resources.values()] == ["Delete", "Retain", "Delete"]
    kept = program(text, Keep="Retain").resources["C"]
    assert (kept.deletion_policy, kept.update_policy, kept.metadata) == ("Retain", {"X": 1}, {"Y": 2})
    assert refused(text, Keep="Snapshot")[1] == "Resources.C.DeletionPolicy: it must be one of Delete, Retain."


def test_depends_on_may_be_computed() -> None:
    text = """
        Parameters: {On: {Type: Boolean, Default: false}}
        Conditions: {Wanted: !Ref On}
        Resources:
          A: {Type: T}
          B: {Type: T, DependsOn: {Fn::If: [Wanted, A, !Ref ALIYUN::NoValue]}}
    """
    assert program(text).resources["B"].depends_on == frozenset()
    assert program(text, On="true").resources["B"].depends_on == {"A"}


def test_the_template_inside_a_resource_is_data() -> None:
    ready = program(
        """
        Resources:
          Group:
            Type: ALIYUN::ROS::StackGroup
            Properties: {Name: !Ref ALIYUN::StackName, TemplateBody: {Resources: {A: {Properties: {B: !Ref Child}}}}}
        """
    )
    assert properties(ready, "Group") == {
        "Name": "web",
        "TemplateBody": {"Resources": {"A": {"Properties": {"B": {"Ref": "Child"}}}}},
    }


def test_reads_names_resources_only() -> None:
    ready = program("Parameters: {P: {Type: String, Default: x}}\nResources: {A: {Type: T}, B: {Type: T, Count: 2}}")
    value = {"Fn::Sub": "${A.Id} ${B} ${P} ${ALIYUN::Region}"}
    assert ready.reads(value) == {"A", "B[0]", "B[1]"}
    assert references(value) == {"A", "B", "P", "ALIYUN::Region"}


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "Resources: {A: {Type: T, Properties: {X: [1, !Ref B]}}}",
            "InvalidTemplateReference",
            'The specified reference "B" (in Resources.A.Properties.X[1].Ref) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: {Fn::If: [C, 1, !Ref B]}}}}\nConditions: {C: !Equals [1, 1]}",
            "InvalidTemplateReference",
            'The specified reference "B" (in Resources.A.Properties.X.Fn::If[2].Ref) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Sub '${B.Id}'}}}",
            "InvalidTemplateReference",
            'The specified reference "B.Id" (in Resources.A.Properties.X.Fn::Sub) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Ref 'ALIYUN::Index'}}}",
            "InvalidTemplateReference",
            'The specified reference "ALIYUN::Index" (in Resources.A.Properties.X.Ref) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, DependsOn: B}}",
            "InvalidTemplateReference",
            'The specified reference "B" (in Resources.A.DependsOn) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, Condition: C}}",
            "InvalidTemplateReference",
            'The specified reference "C" (in Resources.A.Condition) is incorrect.',
        ),
        (
            "Resources: {}\nOutputs: {O: {Value: 1, Condition: C}}",
            "InvalidTemplateReference",
            'The specified reference "C" (in Outputs.O.Condition) is incorrect.',
        ),
        (
            "Resources: {}\nOutputs: {O: {Value: !GetAtt A.Id}}",
            "InvalidTemplateReference",
            'The specified reference "A.Id" (in Outputs.O.Value.Fn::GetAtt) is incorrect.',
        ),
        (
            "Resources: {A: {Type: ALIYUN::ECS::VPC}}\nOutputs: {O: {Value: !GetAtt A.X}}",
            "InvalidTemplateAttribute",
            "The Referenced Attribute (A X) is incorrect. Found in Outputs.O.Value.Fn::GetAtt; A has RouterId, VpcId.",
        ),
        (
            "Resources: {A: {Type: ALIYUN::ECS::VPC, Count: 2}}\nOutputs: {O: {Value: !Sub '${A.Vpc}'}}",
            "InvalidTemplateAttribute",
            "The Referenced Attribute (A Vpc) is incorrect. Found in Outputs.O.Value.Fn::Sub; A has RouterId, VpcId.",
        ),
        (
            "Resources: {A: {Type: T, DependsOn: C}, B: {Type: T, DependsOn: A}, C: {Type: T, DependsOn: [B]}}",
            "CircularDependency",
            "Circular Dependency Found: A -> C -> B -> A.",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Ref A}}}",
            "CircularDependency",
            "Circular Dependency Found: A -> A.",
        ),
        (
            "Resources: {}\nConditions: {A: {Fn::Not: B}, B: {Fn::Not: {Condition: A}}}",
            "CircularDependency",
            "Circular Dependency Found: Conditions.A -> Conditions.B -> Conditions.A.",
        ),
        (
            "Resources: {}\nLocals: {A: {Value: !Ref B}, B: {Type: Eval, Value: !Sub 'x${A}'}}",
            "CircularDependency",
            "Circular Dependency Found: Locals.A -> Locals.B -> Locals.A.",
        ),
        (
            "Resources: {A: {Type: T}}\nConditions: {C: {Fn::Equals: [!Ref A, 1]}}",
            "InvalidTemplateReference",
            'The specified reference "A" (in Conditions.C.Fn::Equals[0].Ref) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T}}\nConditions: {C: {Fn::Equals: [!GetAtt A.Id, 1]}}",
            "InvalidSchema",
            "Conditions.C.Fn::Equals[0].Fn::GetAtt: Fn::GetAtt cannot be used here, where no resource exists yet.",
        ),
        (
            "Resources: {}\nConditions: {C: {Fn::Join: ['', [a]]}}",
            "InvalidSchema",
            "Conditions.C: Fn::Join cannot be a condition; "
            "use one of Fn::And, Fn::Equals, Fn::FindInMap, Fn::Not, Fn::Or, Ref.",
        ),
        (
            "Resources: {}\nConditions: {C: 1}",
            "InvalidSchema",
            "Conditions.C: a condition is a function, not a number.",
        ),
        (
            "Resources: {}\nConditions: {C: {Fn::Not: D}}",
            "InvalidTemplateReference",
            'The specified reference "D" (in Conditions.C.Fn::Not) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: {Fn::Equals: [1, 1]}}}}",
            "InvalidSchema",
            "Resources.A.Properties.X.Fn::Equals: Fn::Equals belongs in Conditions, or in the condition of Fn::If.",
        ),
        (
            "Resources: {A: {Type: T, Count: -1}}",
            "InvalidSchema",
            "Resources.A.Count: it must be a whole number of 0 or more.",
        ),
        (
            "Resources: {A: {Type: T, Count: !Ref B}, B: {Type: T}}",
            "InvalidTemplateReference",
            'The specified reference "B" (in Resources.A.Count.Ref) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T, Count: 200}, B: {Type: T, Count: 200}}",
            "InvalidTemplateSection",
            "The template section is invalid: Resources (400 resources with Count, allowed are 300).",
        ),
        (
            "Resources: {A: {Type: T, Count: 999999999999}}",
            "InvalidSchema",
            "Resources.A.Count: it must be at most 300.",
        ),
        (
            "Resources: {A: {Type: T, Count: 1}, 'A[0]': {Type: T}}",
            "InvalidSchema",
            "Resources.A.Count: its copy A[0] collides with a resource.",
        ),
        (
            "Resources: {A: {Type: ALIYUN::ROS::Stack}}",
            "NotSupported",
            "Resources.A.Type: the nested stack ALIYUN::ROS::Stack is not supported.",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: {Fn::Jq: [First, ., {}]}}}}",
            "NotSupported",
            "Resources.A.Properties.X.Fn::Jq: the function Fn::Jq is not supported.",
        ),
        (
            "Resources: {}\nLocals: {D: {Type: DATASOURCE::VPC::Vpcs}}",
            "NotSupported",
            "Locals.D.Type: DATASOURCE::VPC::Vpcs is not supported.",
        ),
        (
            "Resources: {}\nLocals: {E: {Type: Eval, Value: !Ref 'ALIYUN::StackId'}}",
            "InvalidTemplateReference",
            'The specified reference "ALIYUN::StackId" (in Locals.E.Value.Ref) is incorrect.',
        ),
        (
            "Resources: {A: {Type: T}}\nLocals: {E: {Type: Eval, Value: !Ref A}}",
            "InvalidTemplateReference",
            'The specified reference "A" (in Locals.E.Value.Ref) is incorrect.',
        ),
        ("Resources: {}\nRules: {R: {}}", "InvalidSchema", "Rules.R: a rule is a map with a list of Assertions."),
    ],
)
def test_a_template_is_refused(text: str, code: str, message: str) -> None:
    assert refused(text) == (code, message)


def test_a_branch_that_is_not_taken_may_hold_what_is_not_supported() -> None:
    ready = program(
        "Conditions: {Never: {Fn::Equals: [1, 2]}}\n"
        "Resources: {A: {Type: T, Properties: {X: {Fn::If: [Never, {Fn::Jq: [First, ., {}]}, 1]}}}}"
    )
    assert properties(ready, "A") == {"X": 1}


def test_an_error_while_resolving_names_the_place() -> None:
    ready = program("Resources: {A: {Type: T, Properties: {X: [{Fn::Join: [',', !GetAtt B.Id]}]}}, B: {Type: T}}")
    with pytest.raises(ApiError) as caught:
        properties(ready, "A")
    assert str(caught.value) == ("Resources.A.Properties.X[0].Fn::Join: the second argument must be a list, not text.")
