// Node's HTTP client against the web server: http_node.js PORT
'use strict';
const http = require('http');
const port = Number(process.argv[2]);
const agent = new http.Agent({keepAlive: true, maxSockets: 4});

function ask(options) {
    return new Promise((resolve, reject) => {
        const request = http.request(
            {host: '127.0.0.1', port, agent, ...options}, (response) => {
                const pieces = [];
                const from = response.socket.localPort;
                response.on('data', (piece) => pieces.push(piece));
                response.on('end', () => resolve({
                    status: response.statusCode,
                    headers: response.headers,
                    from,
                    body: Buffer.concat(pieces),
                }));
            });
        request.on('error', reject);
        request.end();
    });
}

function check(is_right, what) {
    if (!is_right) throw new Error(what);
}

async function main() {
    const path = '/size-4096.bin';
    const first = await ask({path});
    check(first.status === 200 && first.body.length === 4096, 'GET');
    const many = await Promise.all(
        Array.from({length: 100}, () => ask({path})));
    check(many.every((a) => a.body.equals(first.body)), 'one hundred GETs');
    check(new Set(many.map((a) => a.from)).size <= 5, 'keep-alive');
    const part = await ask({path, headers: {Range: 'bytes=10-19'}});
    check(part.status === 206 &&
          part.body.equals(first.body.subarray(10, 20)), 'a range');
    const same = await ask(
        {path, headers: {'If-None-Match': first.headers.etag}});
    check(same.status === 304 && same.body.length === 0, 'a condition');
    check((await ask({path, method: 'HEAD'})).body.length === 0, 'HEAD');
    check((await ask({path: '/nothing'})).status === 404, 'no file');
    check((await ask({path, method: 'POST'})).status === 405, 'POST');
    agent.destroy();
}

main().catch((error) => {
    console.error(`node: ${error.message}`);
    process.exitCode = 1;
});
