// Where a reader stands in a log of events. A position is "<generation>-<seq>": `seq` grows within a
// run, the generation changes when its log was made anew. (A server without a log says "<seq>".)

import { StreamkitError } from "./errors.js";

/** @param {string} id */
function parse(id) {
  const at = id.lastIndexOf("-");
  return { generation: id.slice(0, Math.max(at, 0)), seq: Number(id.slice(at + 1)) };
}

/**
 * Whether the event at `id` is one that a reader at `last` has not had yet.
 *
 * @param {string} id
 * @param {string | undefined} last
 * @throws {StreamkitError} `replay_gap`: the log is another one, so events may be missing between
 */
export function isNew(id, last) {
  if (last === undefined) return true;
  const here = parse(id);
  const there = parse(last);
  if (here.generation !== there.generation) {
    throw new StreamkitError("replay_gap", `the server went on at ${id} after ${last}, which is another log`);
  }
  return here.seq > there.seq;
}

/**
 * The position of an event of the same log as `id`.
 *
 * @param {string} id
 * @param {number} seq
 */
export const sibling = (id, seq) => `${id.slice(0, id.lastIndexOf("-") + 1)}${seq}`;
