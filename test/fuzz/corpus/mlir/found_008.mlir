re.caut> >
