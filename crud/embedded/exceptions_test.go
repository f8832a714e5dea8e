package embedded

// exceptions are the steps of the contract that the store answers in another way.
var exceptions = map[string]string{}
