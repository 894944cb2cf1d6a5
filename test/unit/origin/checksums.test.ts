import { describe, expect, it } from 'vitest';
import { isChecksumFile, readChecksums, subjectOf } from '../../../src/origin/checksums.ts';

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];

describe('files with checksums', () => {
  it.each([
    'SHA256SUMS',
    'SHA256SUMS.txt',
    'sha256sum.txt',
    'checksums.txt',
    'robot_1.2.0_checksums.txt',
    'robot-1.2.0-SHA256SUMS',
    'checksums-sha256.txt',
    'robot.tar.gz.sha256',
    'robot.sha256.txt',
  ])('knows %s by its name', (name) => expect(isChecksumFile(name)).toBe(true));
  it.each([
    'robot.tar.gz',
    'robot',
    'SHA512SUMS',
    'checksums.txt.minisig',
    'SHA256SUMS.asc',
    'mychecksummer.tar.gz',
    'README.md',
  ])('leaves %s alone', (name) => expect(isChecksumFile(name)).toBe(false));
  it('knows what one is about', () => {
    expect(subjectOf('robot.tar.gz.sha256')).toBe('robot.tar.gz');
    expect(subjectOf('robot.sha256.txt')).toBe('robot');
    expect(subjectOf('SHA256SUMS')).toBeUndefined();
  });
  it('reads what sha256sum, shasum and BSD write, with folders, carriage returns and upper case', () => {
    const text = `${A}  robot.tar.gz\r\n${B} *dist/robot.zip\n# a comment\nSHA256 (robot) = ${A.toUpperCase()}\nSHA512 (robot) = ${A}${B}\n${A}${B}  long.tgz\n`;
    const { sums, twice } = readChecksums(text);
    expect(Object.fromEntries(sums)).toEqual({ 'robot.tar.gz': A, 'robot.zip': B, robot: A });
    expect(twice).toEqual([]);
  });
  it('takes a hash alone only where it is known of what', () => {
    expect(Object.fromEntries(readChecksums(`${A}\n`, 'robot.tgz').sums)).toEqual({ 'robot.tgz': A });
    expect(readChecksums(`${A}\n`).sums.size).toBe(0);
  });
  it('says what is named twice with two sums', () => {
    expect(readChecksums(`${A}  x\n${B}  x\n`).twice).toEqual(['x']);
    expect(readChecksums(`${A}  x\n${A}  x\n`).twice).toEqual([]);
  });
});
