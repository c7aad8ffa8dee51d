"""The running kernel's types, as bpftool prints them."""

import json
import subprocess


class Btf:
    def __init__(self):
        command = "bpftool -j btf dump file /sys/kernel/btf/vmlinux".split()
        types = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["types"]
        self.types = {ty["id"]: ty for ty in types}
        self.ids = {}
        for ty in types:
            self.ids.setdefault((ty["kind"], ty["name"]), ty["id"])

    def find(self, kind, name):
        return self.ids.get((kind, name), 0)

    def enum(self, name):
        values = self.types[self.find("ENUM", name)]["values"]
        return {value["name"]: value["val"] for value in values}

    def struct(self, name):
        return self.types[self.find("STRUCT", name)]

    def offset(self, struct, member):
        return next(m["bits_offset"] // 8 for m in self.struct(struct)["members"] if m["name"] == member)

    def size(self, id):
        ty = self.types[id]
        if ty["kind"] == "ARRAY":
            return ty["nr_elems"] * self.size(ty["type_id"])
        if ty["kind"] == "PTR":
            return 8
        return ty["size"] if "size" in ty else self.size(ty["type_id"])

    def fields(self, name):
        """Name, offset and size of all fields; those of anonymous unions and structures are its own."""
        def walk(id, at):
            for member in self.types[id]["members"]:
                ty, here = self.types[member["type_id"]], at + member["bits_offset"] // 8
                if member["name"] != "(anon)":
                    yield member["name"], here, self.size(member["type_id"])
                elif ty["kind"] in ("UNION", "STRUCT"):
                    yield from walk(member["type_id"], here)
        return list(walk(self.find("STRUCT", name), 0))
