import type { ErrorData } from '../../domain/errors.ts';
import type { OriginCode, ProblemWriter } from './contract.ts';
import { text as t } from './format.ts';
import { because, when } from './zh-words.ts';

/** Chinese: sources, releases and artifacts. */

const of = (data: ErrorData) => (data.app ? ` ${t(data.app)} 的` : '');

export const originProblems: Record<OriginCode, ProblemWriter> = {
  source_unreachable: (d, now) => ({
    text: `来源 ${t(d.source)} 没有响应${because(d)}。`,
    next: d.nextAt ? `${when(d.nextAt, now)}会再试。` : '请稍后再试。',
  }),
  source_invalid: (d) => ({
    text: `来源 ${t(d.source)} 有响应，但内容不是版本信息${because(d)}。`,
    next: '请检查 fettle.yaml 中的地址。',
  }),
  source_expired: (d) => ({
    text: `来源 ${t(d.source)} 的内容已过期${d.expiredAt ? `（${when(d.expiredAt, undefined)}）` : ''}。`,
    next: '请重新发布（fettle publish）。',
  }),
  source_rolled_back: (d) => ({
    text: `来源 ${t(d.source)} 提供的内容比以前旧${because(d)}，可能是攻击。`,
    next: '在它恢复到足够新之前，不会从中安装任何东西。',
  }),
  artifact_unverified: (d) => ({
    text: `无法证明下载的${of(d)}文件是真实的${because(d)}。`,
    next: '没有安装任何东西。请检查密钥和签名。',
  }),
  artifact_mismatch: (d) => ({
    text: `下载的${of(d)}文件与来源所承诺的不符（摘要不同）${because(d)}。`,
    next: '没有安装任何东西。请重试；若仍如此，请不要信任该镜像或版本。',
  }),
  artifact_wrong_platform: (d) => ({
    text: d.reason
      ? `下载的${of(d)}文件无法在此设备上运行${because(d)}。`
      : `该版本没有适合此设备平台的文件${d.here ? `（${t(d.here)}；它有 ${t(d.for) || '无'}）` : ''}。`,
    next: '请为该平台发布文件。',
  }),
  artifact_invalid: (d) => ({ text: `下载的${of(d)}文件不可用${because(d)}。`, next: '需要重新制作该版本。' }),
  download_failed: (d) => ({
    text: `${of(d).trimStart()}下载失败${d.status ? `：HTTP ${t(d.status)}` : ''}${because(d)}。`,
    next: '请重试；已下载的部分会保留。',
  }),
  install_failed: (d) => ({
    text: `${d.app ? `${t(d.app)} ` : ''}${d.version ? `${t(d.version)} ` : ''}安装失败${because(d)}。`,
    next: '/update logs 显示安装程序的输出。',
  }),
  key_unusable: (d) => ({
    text: `密钥${d.file ? ` ${t(d.file)} ` : ''}无法使用${because(d)}。`,
    next: 'fettle keygen 可以生成密钥；密码会询问，或从 --password-file 读取。',
  }),
};
