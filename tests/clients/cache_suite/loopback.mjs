// Keeps a server that knows only its port to the loopback interface.
import net from 'node:net'

const { listen } = net.Server.prototype

net.Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, '127.0.0.1', ...rest)
}
