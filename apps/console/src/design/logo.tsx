/** The mill wheel on its track; takes the colour of the text around it. */
export function Logo({ className = 'size-8' }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" fill="none" stroke="currentColor" strokeLinecap="round" className={className} aria-hidden="true">
      <circle cx="16" cy="13" r="9" strokeWidth="2" />
      <circle cx="16" cy="13" r="2.2" fill="currentColor" stroke="none" />
      <path
        d="M16 10V2M18.6 14.5l6.9 4M13.4 14.5l-6.9 4M18.6 11.5l6.9-4M13.4 11.5l-6.9-4M16 16v8"
        strokeWidth="1.8"
      />
      <path d="M2 27.5h28" strokeWidth="2.4" />
      <path d="M5 30.5h2M12 30.5h2M19 30.5h2M26 30.5h2" strokeWidth="1.6" />
    </svg>
  );
}
