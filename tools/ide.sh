#!/bin/bash
# Write what editors want: compile_commands.json (clangd, VS Code), .clangd, and
# .vscode/{tasks,launch}.json to build, run and debug from there. make ide calls it with
# lines "SOURCE COMMAND" on its input.
cd "$(dirname "$0")/.." || exit 1
mkdir -p .vscode

awk -v dir="$PWD" '
    function quoted(text) { gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); return "\"" text "\"" }
    BEGIN { print "[" }
    { file = $1; sub(/^[^ ]+ /, "")
      printf "%s  {\"directory\": %s, \"file\": %s, \"command\": %s}", n++ ? ",\n" : "",
          quoted(dir), quoted(file), quoted($0) }
    END { print "\n]"; if (n == 0) exit 1 }' >compile_commands.json || exit 1

cat >.clangd <<'END'
# Written by make ide.
CompileFlags:
  Remove: [-fstack-clash-protection, -mstringop-strategy=*, -fcf-protection=*, -falign-*]
END

cat >.vscode/tasks.json <<'END'
{
  "version": "2.0.0",
  "tasks": [
    {"label": "build", "type": "shell", "command": "make -j2 metal host",
     "group": {"kind": "build", "isDefault": true}, "problemMatcher": "$gcc"},
    {"label": "run", "type": "shell", "command": "make run APP=${input:app}", "problemMatcher": []},
    {"label": "unit tests", "type": "shell", "command": "make unit", "problemMatcher": "$gcc"},
    {"label": "machine that waits for gdb", "type": "shell", "isBackground": true,
     "command": "make debug-server APP=${input:app}",
     "problemMatcher": {"pattern": {"regexp": "^(never)$"},
       "background": {"activeOnStart": true, "beginsPattern": ".", "endsPattern": "waits for gdb"}}}
  ],
  "inputs": [
    {"id": "app", "type": "promptString", "description": "application", "default": "hello"}
  ]
}
END

cat >.vscode/launch.json <<'END'
{
  "version": "0.2.0",
  "configurations": [
    {"name": "Torc as a process", "type": "cppdbg", "request": "launch", "MIMode": "gdb",
     "program": "${workspaceFolder}/build/host/${input:app}", "cwd": "${workspaceFolder}",
     "args": [], "preLaunchTask": "build",
     "setupCommands": [
       {"text": "source ${workspaceFolder}/tools/gdb/torc.py"},
       {"text": "handle SIGPROF SIGRTMIN nostop noprint pass"}]},
    {"name": "Torc in QEMU", "type": "cppdbg", "request": "launch", "MIMode": "gdb",
     "program": "${workspaceFolder}/build/metal/${input:app}.elf", "cwd": "${workspaceFolder}",
     "miDebuggerServerAddress": "localhost:1234",
     "preLaunchTask": "machine that waits for gdb",
     "setupCommands": [{"text": "source ${workspaceFolder}/tools/gdb/torc.py"}]}
  ],
  "inputs": [
    {"id": "app", "type": "promptString", "description": "application", "default": "hello"}
  ]
}
END
echo "compile_commands.json has $(grep -c '"file"' compile_commands.json) sources; .clangd and .vscode are written"
