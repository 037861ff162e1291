//go:build !linux

package wire

// canPark says whether connections can be without a goroutine here.
const canPark = false

var parkingLot lot

type lot struct{}

func (lot) enter(*Conn) bool { return false }
func (lot) leave(*Conn)      {}
