#include "textflag.h"

// Wojciech Muła's and Daniel Lemire's way with AVX-512 VBMI, https://arxiv.org/abs/1910.05109. Where less than 64 characters are left,
// a mask keeps everything else from being read or written.

// func encodeWide(dst, src *byte, groups int, key uint32)
TEXT ·encodeWide(SB), NOSPLIT, $0-28
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         groups+16(FP), CX
	MOVL         key+24(FP), AX
	VPBROADCASTD AX, Z0
	VMOVDQU64    spreadWide<>(SB), Z1
	VPBROADCASTQ sixBits<>(SB), Z2
	VMOVDQU64    alphabet<>(SB), Z3
	MOVQ         $0x0000ffffffffffff, AX
	KMOVQ        AX, K1
	SUBQ         $16, CX
	JLT          rest

block:
	// Four bytes of every three, eight times six bits of every eight bytes, a character for each, and the mask.
	VMOVDQU8.Z     (SI), K1, Z4
	VPERMB         Z4, Z1, Z4
	VPMULTISHIFTQB Z4, Z2, Z4
	VPERMB         Z3, Z4, Z4
	VPXORD         Z0, Z4, Z4
	VMOVDQU64      Z4, (DI)

	ADDQ $48, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JGE  block

rest:
	ADDQ  $16, CX
	JEQ   done
	LEAQ  (CX)(CX*2), AX
	SHLQ  $2, CX
	MOVQ  $1, DX
	SHLQ  CX, DX
	DECQ  DX
	KMOVQ DX, K2
	XCHGQ AX, CX
	MOVQ  $1, DX
	SHLQ  CX, DX
	DECQ  DX
	KMOVQ DX, K1

	VMOVDQU8.Z     (SI), K1, Z4
	VPERMB         Z4, Z1, Z4
	VPMULTISHIFTQB Z4, Z2, Z4
	VPERMB         Z3, Z4, Z4
	VPXORD         Z0, Z4, Z4
	VMOVDQU8       Z4, K2, (DI)

done:
	VZEROUPPER
	RET

// func decodeWide(p *byte, groups int) (n int)
TEXT ·decodeWide(SB), NOSPLIT, $0-24
	MOVQ         p+0(FP), SI
	MOVQ         SI, DI
	MOVQ         groups+8(FP), CX
	VMOVDQU64    numbers<>+0(SB), Z0
	VMOVDQU64    numbers<>+64(SB), Z1
	VPBROADCASTD pairs<>(SB), Z2
	VPBROADCASTD fours<>(SB), Z3
	VMOVDQU64    packWide<>(SB), Z4
	MOVQ         $0x0000ffffffffffff, AX
	KMOVQ        AX, K1

two:
	// Two blocks at once, and one look for both. What is stored beyond 96 bytes was read before.
	SUBQ       $32, CX
	JLT        one
	VMOVDQU64  (SI), Z5
	VMOVDQU64  64(SI), Z8
	VMOVDQA64  Z5, Z6
	VMOVDQA64  Z8, Z9
	VPERMI2B   Z1, Z0, Z6
	VPERMI2B   Z1, Z0, Z9
	VPORD      Z5, Z6, Z7
	VPTERNLOGD $0xfe, Z8, Z9, Z7
	VPMOVB2M   Z7, K2
	KORTESTQ   K2, K2
	JNE        one
	VPMADDUBSW Z2, Z6, Z6
	VPMADDUBSW Z2, Z9, Z9
	VPMADDWD   Z3, Z6, Z6
	VPMADDWD   Z3, Z9, Z9
	VPERMB     Z6, Z4, Z6
	VPERMB     Z9, Z4, Z9
	VMOVDQU64  Z6, (DI)
	VMOVDQU64  Z9, 48(DI)
	ADDQ       $128, SI
	ADDQ       $96, DI
	JMP        two

one:
	ADDQ $16, CX
	JLT  rest

block:
	// The number for each character. The highest bit tells what is none: of the table, or of the text.
	VMOVDQU64 (SI), Z5
	VMOVDQA64 Z5, Z6
	VPERMI2B  Z1, Z0, Z6
	VPORD     Z5, Z6, Z7
	VPMOVB2M  Z7, K2
	KORTESTQ  K2, K2
	JNE       done

	// Two numbers make twelve bits, four 24, and those three bytes.
	VPMADDUBSW Z2, Z6, Z6
	VPMADDWD   Z3, Z6, Z6
	VPERMB     Z6, Z4, Z6
	VMOVDQU8   Z6, K1, (DI)

	ADDQ $64, SI
	ADDQ $48, DI
	SUBQ $16, CX
	JGE  block

rest:
	ADDQ  $16, CX
	JEQ   done
	LEAQ  (CX)(CX*2), AX
	SHLQ  $2, CX
	MOVQ  $1, DX
	SHLQ  CX, DX
	DECQ  DX
	KMOVQ DX, K3
	XCHGQ AX, CX
	MOVQ  $1, DX
	SHLQ  CX, DX
	DECQ  DX
	KMOVQ DX, K1

	VMOVDQU8.Z (SI), K3, Z5
	VMOVDQA64  Z5, Z6
	VPERMI2B   Z1, Z0, Z6
	VPORD      Z5, Z6, Z7
	VPMOVB2M   Z7, K2
	KTESTQ     K2, K3
	JNE        done
	VPMADDUBSW Z2, Z6, Z6
	VPMADDWD   Z3, Z6, Z6
	VPERMB     Z6, Z4, Z6
	VMOVDQU8   Z6, K1, (DI)
	ADDQ       AX, SI

done:
	SUBQ p+0(FP), SI
	MOVQ SI, n+16(FP)
	VZEROUPPER
	RET

// Of each three bytes the second, the first, the third and the second.
DATA spreadWide<>+0(SB)/8, $0x0405030401020001
DATA spreadWide<>+8(SB)/8, $0x0a0b090a07080607
DATA spreadWide<>+16(SB)/8, $0x10110f100d0e0c0d
DATA spreadWide<>+24(SB)/8, $0x1617151613141213
DATA spreadWide<>+32(SB)/8, $0x1c1d1b1c191a1819
DATA spreadWide<>+40(SB)/8, $0x222321221f201e1f
DATA spreadWide<>+48(SB)/8, $0x2829272825262425
DATA spreadWide<>+56(SB)/8, $0x2e2f2d2e2b2c2a2b
GLOBL spreadWide<>(SB), RODATA|NOPTR, $64

// Where each six bits begin in eight bytes.
DATA sixBits<>+0(SB)/8, $0x3036242a1016040a
GLOBL sixBits<>(SB), RODATA|NOPTR, $8

// ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
DATA alphabet<>+0(SB)/8, $0x4847464544434241
DATA alphabet<>+8(SB)/8, $0x504f4e4d4c4b4a49
DATA alphabet<>+16(SB)/8, $0x5857565554535251
DATA alphabet<>+24(SB)/8, $0x6665646362615a59
DATA alphabet<>+32(SB)/8, $0x6e6d6c6b6a696867
DATA alphabet<>+40(SB)/8, $0x767574737271706f
DATA alphabet<>+48(SB)/8, $0x333231307a797877
DATA alphabet<>+56(SB)/8, $0x2f2b393837363534
GLOBL alphabet<>(SB), RODATA|NOPTR, $64

// What each character stands for; 0x80: it is none of the alphabet.
DATA numbers<>+0(SB)/8, $0x8080808080808080
DATA numbers<>+8(SB)/8, $0x8080808080808080
DATA numbers<>+16(SB)/8, $0x8080808080808080
DATA numbers<>+24(SB)/8, $0x8080808080808080
DATA numbers<>+32(SB)/8, $0x8080808080808080
DATA numbers<>+40(SB)/8, $0x3f8080803e808080
DATA numbers<>+48(SB)/8, $0x3b3a393837363534
DATA numbers<>+56(SB)/8, $0x8080808080803d3c
DATA numbers<>+64(SB)/8, $0x0605040302010080
DATA numbers<>+72(SB)/8, $0x0e0d0c0b0a090807
DATA numbers<>+80(SB)/8, $0x161514131211100f
DATA numbers<>+88(SB)/8, $0x8080808080191817
DATA numbers<>+96(SB)/8, $0x201f1e1d1c1b1a80
DATA numbers<>+104(SB)/8, $0x2827262524232221
DATA numbers<>+112(SB)/8, $0x302f2e2d2c2b2a29
DATA numbers<>+120(SB)/8, $0x8080808080333231
GLOBL numbers<>(SB), RODATA|NOPTR, $128

// 64 and 1, and 4096 and 1.
DATA pairs<>+0(SB)/4, $0x01400140
GLOBL pairs<>(SB), RODATA|NOPTR, $4
DATA fours<>+0(SB)/4, $0x00011000
GLOBL fours<>(SB), RODATA|NOPTR, $4

// Of each four bytes the third, the second and the first.
DATA packWide<>+0(SB)/8, $0x090a040506000102
DATA packWide<>+8(SB)/8, $0x161011120c0d0e08
DATA packWide<>+16(SB)/8, $0x1c1d1e18191a1415
DATA packWide<>+24(SB)/8, $0x292a242526202122
DATA packWide<>+32(SB)/8, $0x363031322c2d2e28
DATA packWide<>+40(SB)/8, $0x3c3d3e38393a3435
DATA packWide<>+48(SB)/8, $0x0000000000000000
DATA packWide<>+56(SB)/8, $0x0000000000000000
GLOBL packWide<>(SB), RODATA|NOPTR, $64
