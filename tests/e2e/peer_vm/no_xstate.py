#!/usr/bin/python3
"""no_xstate.py COMMAND...: runs it with ptrace's PTRACE_GETREGSET and PTRACE_SETREGSET refused.

User Mode Linux 6.1 keeps the extended registers of a process in 2696 bytes. On a machine whose processor has more of
them (AMX: 10688) the kernel refuses to set part of them, and the guest dies at its first process. Refused from the start, it
uses the old call, which knows the SSE registers only; init tells the guest's programs to leave AVX alone."""
import ctypes
import os
import struct
import sys

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LD, JEQ, RET = 0x20, 0x15, 0x06
SYS_PTRACE, GETREGSET, SETREGSET = 101, 0x4204, 0x4205
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | 5  # EIO
program = [(LD, 0, 0, 0),            # the number of the system call
           (JEQ, 0, 3, SYS_PTRACE),
           (LD, 0, 0, 16),           # its first argument
           (JEQ, 2, 0, GETREGSET),
           (JEQ, 1, 0, SETREGSET),
           (RET, 0, 0, ALLOW),
           (RET, 0, 0, REFUSE)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in program))
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.c_void_p(ctypes.addressof(fprog)), 0, 0):
    sys.exit(f"no_xstate.py: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
