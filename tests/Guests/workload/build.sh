#!/bin/sh
# Makes the committed binary again. Any gcc for x86-64 does; the binary has no other input.
cd "$(dirname "$0")" || exit 1
gcc -O2 -Wall -Wextra -Werror -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-builtin \
    -mno-sse -no-pie -Wl,--build-id=none -Wl,-z,noseparate-code -s -o workload workload.c
