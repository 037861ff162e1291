#include "textflag.h"

// func encodeBlocks(dst, src *byte, blocks int, key uint32)
//
// Wojciech Muła's and Daniel Lemire's way, https://arxiv.org/abs/1704.00605. Every instruction is VEX encoded: one of the
// others among them makes the processor save and restore the upper halves of all registers.
TEXT ·encodeBlocks(SB), NOSPLIT, $0-28
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    blocks+16(FP), CX
	MOVL    key+24(FP), AX
	VMOVD   AX, X7
	VPBROADCASTD X7, Y7
	VMOVDQU spread<>(SB), Y8
	VMOVDQU high<>(SB), Y9
	VMOVDQU highShift<>(SB), Y10
	VMOVDQU low<>(SB), Y11
	VMOVDQU lowShift<>(SB), Y12
	VMOVDQU letters<>(SB), Y13
	VMOVDQU capitals<>(SB), Y14
	VMOVDQU offsets<>(SB), Y15

block:
	// 12 bytes in each half, as four groups of 24 bits.
	VMOVDQU     (SI), X0
	VINSERTI128 $1, 12(SI), Y0, Y0
	VPSHUFB     Y8, Y0, Y0

	// Each group becomes four numbers of six bits.
	VPAND    Y9, Y0, Y1
	VPMULHUW Y10, Y1, Y1
	VPAND    Y11, Y0, Y0
	VPMULLW  Y12, Y0, Y0
	VPOR     Y1, Y0, Y0

	// And each number a character, by what is to be added to it, under the mask.
	VPSUBUSB Y13, Y0, Y1
	VPCMPGTB Y0, Y14, Y2
	VPAND    thirteen<>(SB), Y2, Y2
	VPOR     Y2, Y1, Y1
	VPSHUFB  Y1, Y15, Y1
	VPADDB   Y0, Y1, Y0
	VPXOR    Y7, Y0, Y0
	VMOVDQU  Y0, (DI)

	ADDQ $24, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

DATA spread<>+0(SB)/8, $0x0405030401020001
DATA spread<>+8(SB)/8, $0x0a0b090a07080607
DATA spread<>+16(SB)/8, $0x0405030401020001
DATA spread<>+24(SB)/8, $0x0a0b090a07080607
GLOBL spread<>(SB), RODATA|NOPTR, $32

DATA high<>+0(SB)/8, $0x0fc0fc000fc0fc00
DATA high<>+8(SB)/8, $0x0fc0fc000fc0fc00
DATA high<>+16(SB)/8, $0x0fc0fc000fc0fc00
DATA high<>+24(SB)/8, $0x0fc0fc000fc0fc00
GLOBL high<>(SB), RODATA|NOPTR, $32

DATA highShift<>+0(SB)/8, $0x0400004004000040
DATA highShift<>+8(SB)/8, $0x0400004004000040
DATA highShift<>+16(SB)/8, $0x0400004004000040
DATA highShift<>+24(SB)/8, $0x0400004004000040
GLOBL highShift<>(SB), RODATA|NOPTR, $32

DATA low<>+0(SB)/8, $0x003f03f0003f03f0
DATA low<>+8(SB)/8, $0x003f03f0003f03f0
DATA low<>+16(SB)/8, $0x003f03f0003f03f0
DATA low<>+24(SB)/8, $0x003f03f0003f03f0
GLOBL low<>(SB), RODATA|NOPTR, $32

DATA lowShift<>+0(SB)/8, $0x0100001001000010
DATA lowShift<>+8(SB)/8, $0x0100001001000010
DATA lowShift<>+16(SB)/8, $0x0100001001000010
DATA lowShift<>+24(SB)/8, $0x0100001001000010
GLOBL lowShift<>(SB), RODATA|NOPTR, $32

// 51: numbers up to it are letters, which have the offset 0, or 13 for capitals.
DATA letters<>+0(SB)/8, $0x3333333333333333
DATA letters<>+8(SB)/8, $0x3333333333333333
DATA letters<>+16(SB)/8, $0x3333333333333333
DATA letters<>+24(SB)/8, $0x3333333333333333
GLOBL letters<>(SB), RODATA|NOPTR, $32

DATA capitals<>+0(SB)/8, $0x1a1a1a1a1a1a1a1a
DATA capitals<>+8(SB)/8, $0x1a1a1a1a1a1a1a1a
DATA capitals<>+16(SB)/8, $0x1a1a1a1a1a1a1a1a
DATA capitals<>+24(SB)/8, $0x1a1a1a1a1a1a1a1a
GLOBL capitals<>(SB), RODATA|NOPTR, $32

DATA thirteen<>+0(SB)/8, $0x0d0d0d0d0d0d0d0d
DATA thirteen<>+8(SB)/8, $0x0d0d0d0d0d0d0d0d
DATA thirteen<>+16(SB)/8, $0x0d0d0d0d0d0d0d0d
DATA thirteen<>+24(SB)/8, $0x0d0d0d0d0d0d0d0d
GLOBL thirteen<>(SB), RODATA|NOPTR, $32

// 'a'-26, ten times '0'-52, '+'-62, '/'-63, 'A'.
DATA offsets<>+0(SB)/8, $0xfcfcfcfcfcfcfc47
DATA offsets<>+8(SB)/8, $0x000041f0edfcfcfc
DATA offsets<>+16(SB)/8, $0xfcfcfcfcfcfcfc47
DATA offsets<>+24(SB)/8, $0x000041f0edfcfcfc
GLOBL offsets<>(SB), RODATA|NOPTR, $32
