#include "textflag.h"

// func maskBlocks(p *byte, blocks int, key uint32)
TEXT ·maskBlocks(SB), NOSPLIT, $0-20
	MOVQ         p+0(FP), DI
	MOVQ         blocks+8(FP), CX
	MOVL         key+16(FP), AX
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0

block:
	VPXOR   (DI), Y0, Y1
	VPXOR   32(DI), Y0, Y2
	VPXOR   64(DI), Y0, Y3
	VPXOR   96(DI), Y0, Y4
	VMOVDQU Y1, (DI)
	VMOVDQU Y2, 32(DI)
	VMOVDQU Y3, 64(DI)
	VMOVDQU Y4, 96(DI)
	ADDQ    $128, DI
	DECQ    CX
	JNZ     block
	VZEROUPPER
	RET
