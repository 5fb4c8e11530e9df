"""Prints how the files of docs/deploy start `mcp`: a JSON line for each container."""

import json
import sys

from ruamel.yaml import YAML


def containers(document):
    for service in document.get("services", {}).values():
        yield service.get("image"), service.get("command", []), list(service.get("environment", {}))
    template = document.get("spec", {}).get("template", {})
    for container in template.get("spec", {}).get("containers", []):
        variables = [variable["name"] for variable in container.get("env", [])]
        yield container["image"], container.get("args", []), variables


for path in sys.argv[1:]:
    with open(path) as file:
        for document in YAML(typ="safe").load_all(file):
            for image, arguments, variables in containers(document):
                if image == "mcp":
                    told = {"file": path, "arguments": arguments, "variables": variables}
                    print(json.dumps(told))
