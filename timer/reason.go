package timer

import (
	"cmp"
	"encoding/json"
)

// reason returns why the service refuses a call, "" if the body is not its own.
func reason(body []byte) string {
	var said struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	_ = json.Unmarshal(body, &said)
	return cmp.Or(said.Message, said.Error)
}
