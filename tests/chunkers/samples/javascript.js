'use strict';

const fs = require('fs');

/**
 * Reads a file once it is there.
 */

exports.readWhenReady = function readWhenReady(path, done) {
  fs.stat(path, (error) => {
    if (error) return done(error);
    fs.readFile(path, done);
  });
};

// Adds two numbers.
const add = (a, b) => a + b;

export default class Router extends Base {
  #routes = [];

  constructor(options) {
    super(options);
    this.options = options;
  }

  /** Finds the handler of a path. */
  match(path) {
    return this.#routes.find((route) => route.path === path);
  }

  handle = async (request) => {
    const handler = this.match(request.path);
    return handler(request);
  };

  get size() { return this.#routes.length; }
}

const handlers = {
  onOpen() {
    console.log('open');
  },
  onClose: function () {
    console.log('close');
  },
};

function* walk(node) {
  yield node;
  for (const child of node.children) yield* walk(child);
}

Router.prototype.use = function (middleware) {
  this.stack.push(middleware);
  return this;
};

describe('Router', () => {
  it('matches a path', () => {
    const router = new Router();
    expect(router.match('/')).toBe(undefined);
  });
});

module.exports = { add, walk, handlers };
