// The library of the curves asks for the screen's resolution as soon as it is loaded, which jsdom does not tell.
if (typeof window !== 'undefined') window.matchMedia ??= () => ({ addEventListener() {}, removeEventListener() {} });
