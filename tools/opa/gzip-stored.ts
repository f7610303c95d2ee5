import { crc32 } from 'node:zlib';

const PIECE_MAX_BYTES = 0xffff;

/**
 * `content` as a gzip file (RFC 1952) of stored blocks (RFC 1951, 3.2.4). No two compressors, nor two versions of one, promise the same bytes;
 * stored blocks are the same everywhere. Git compresses what it keeps anyway.
 */
export function gzipStored(content: Buffer): Buffer {
	// Method 8, no flags, no time, no extra flags, no operating system.
	const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
	for (let at = 0; at < content.length; at += PIECE_MAX_BYTES) {
		const piece = content.subarray(at, at + PIECE_MAX_BYTES);
		const head = Buffer.alloc(5);
		head.writeUInt8(at + piece.length === content.length ? 1 : 0, 0);
		head.writeUInt16LE(piece.length, 1);
		head.writeUInt16LE(piece.length ^ 0xffff, 3);
		parts.push(head, piece);
	}
	const end = Buffer.alloc(8);
	end.writeUInt32LE(crc32(content), 0);
	end.writeUInt32LE(content.length % 2 ** 32, 4);
	return Buffer.concat([...parts, end]);
}
