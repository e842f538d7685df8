import type { ReactNode } from 'react';
import { Logo } from '../../design/logo.tsx';

/** The frame of the pages that come before signing in. */
export function Entrance({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  return (
    <main className="grid min-h-screen lg:grid-cols-[minmax(0,5fr)_minmax(0,6fr)]">
      <div className="hidden flex-col justify-between bg-steel-900 p-12 text-steel-300 lg:flex">
        <div className="flex items-center gap-3 text-white">
          <Logo className="size-10 text-accent-200" />
          <span className="text-xl font-semibold tracking-tight">Millrace</span>
        </div>
        <div className="max-w-md">
          <p className="text-3xl leading-tight font-semibold tracking-tight text-white">From a data file to a prediction.</p>
          <p className="mt-4 text-[15px] leading-relaxed">
            Upload what your plant or your fleet has measured, train and compare models on your own machines, publish the best one, and
            call it from anything that speaks HTTP.
          </p>
        </div>
        <p className="text-[13px] text-steel-400">Your data and your models stay on this server.</p>
      </div>
      <div className="flex items-center justify-center px-6 py-12">
        <div className="w-full max-w-sm">
          <div className="mb-8 flex items-center gap-3 text-steel-900 lg:hidden">
            <Logo className="size-9 text-accent-600" />
            <span className="text-xl font-semibold tracking-tight">Millrace</span>
          </div>
          <h1 className="text-2xl font-semibold tracking-tight text-steel-900">{title}</h1>
          <p className="mt-1.5 mb-6 text-steel-500">{lead}</p>
          {children}
        </div>
      </div>
    </main>
  );
}
