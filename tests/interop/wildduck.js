// WildDuck's POP3 server over files instead of its database: node wildduck.js MODULES FOLDER PORT TLS_PORT PASSWORD
'use strict';

const fs = require('fs');
const path = require('path');

const [modules, folder, port, tlsPort, password] = process.argv.slice(2);
const POP3Server = require(path.join(modules, 'wildduck/lib/pop3/server'));
const pem = fs.readFileSync(path.join(folder, 'server.pem'));
const quiet = { info() {}, debug() {}, error() {} };

function handlers(secure) {
    return {
        secure,
        key: pem,
        cert: pem,
        logger: quiet,
        onAuth(auth, session, callback) {
            const found = auth.password === password && fs.existsSync(path.join(folder, 'mail', auth.username));
            callback(null, found && { user: { id: auth.username, username: auth.username } });
        },
        onListMessages(session, callback) {
            const box = path.join(folder, 'mail', session.user.id);
            const names = fs.readdirSync(box).sort();
            const messages = names.map(name => ({
                id: name,
                size: fs.statSync(path.join(box, name)).size,
                seen: true
            }));
            callback(null, { messages, count: messages.length, size: messages.reduce((sum, m) => sum + m.size, 0) });
        },
        onFetchMessage(message, session, callback) {
            callback(null, fs.createReadStream(path.join(folder, 'mail', session.user.id, message.id)));
        },
        onUpdate(update, session, callback) {
            update.deleted.forEach(message => fs.unlinkSync(path.join(folder, 'mail', session.user.id, message.id)));
            callback();
        }
    };
}

for (const [secure, where] of [[false, port], [true, tlsPort]]) {
    const server = new POP3Server(handlers(secure));
    server.loggelf = () => {};
    server.listen(where, '127.0.0.1');
}
